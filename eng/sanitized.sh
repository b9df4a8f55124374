#!/usr/bin/env bash
# Runs a command of .NET on native libraries that the address and undefined-behaviour sanitizers watch: sanitized.sh COMMAND...
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
bash "$root/eng/build-native.sh" asan libraries
compiler=${CXX:-c++}
# The sanitizers have to be loaded before all else, but the process is .NET's: its signals are its own, and so is what it
# leaves allocated at its end.
exec env AIOS_LIBRARY_PATH="$root/build/asan/lib" ASAN_OPTIONS=detect_leaks=0:handle_segv=0:use_sigaltstack=0 \
  LD_PRELOAD="$("$compiler" -print-file-name=libasan.so) $("$compiler" -print-file-name=libubsan.so)" "$@"

#!/usr/bin/env bash
# Runs a command on x86-64 with the aarch64 provider, emulated (docs/design/cpu-backend.md): emulated.sh COMMAND...
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
bash "$root/eng/build-native.sh" aarch64 aios_cpu_server
bash "$root/eng/build-native.sh" release aios_cpu_emulated
export AIOS_LIBRARY_PATH="$root/build/release/emulation"
export AIOS_EMULATION="'$root/eng/qemu-aarch64.sh' '$root/build/aarch64/bin/aios_cpu_server'"
exec "$@"

#!/usr/bin/env bash
# Configures (once) and builds one CMake preset: build-native.sh release|debug|asan|tsan|aarch64|cuda [target]. The target
# `libraries` is what the managed build needs; without one the native tests are built too. `cuda` is libaios_cuda.so alone,
# built with the toolkit that AIOS_CUDA_HOME names or eng/cuda-toolkit.sh knows.
# Prints nothing when all is well; names what is missing, and how to install it, before anything else fails.
set -euo pipefail
preset=${1:?usage: build-native.sh release|debug|asan|tsan|aarch64|cuda [target]} target=${2:-all} options=()
cd "$(dirname "$0")/.."

need() { # command, Debian package
  command -v "$1" >/dev/null || { echo "error: $1 was not found; install it with: apt-get install $2" >&2; exit 1; }
}
need cmake cmake
command -v "${CXX:-c++}" >/dev/null || { echo "error: no C++ compiler was found; install one with: apt-get install g++" >&2; exit 1; }
command -v ninja >/dev/null || command -v make >/dev/null ||
  { echo "error: neither ninja nor make was found; install one with: apt-get install ninja-build" >&2; exit 1; }

if [ "$preset" = cuda ]; then
  home=${AIOS_CUDA_HOME:-$(eng/cuda-toolkit.sh --cached | tail -n 1)}
  [ -x "$home/bin/nvcc" ] || { echo "error: no CUDA toolkit was found; get one with: eng/cuda-toolkit.sh" >&2; exit 1; }
  target=${2:-aios_cuda} options=("-DAIOS_CUDA_HOME=$home")
fi

# Two projects of one solution may ask for the same build at the same time.
mkdir -p "build/$preset"
exec 9>"build/$preset/.lock"
flock 9

log=$(mktemp)
trap 'rm -f "$log"' EXIT
if [ ! -f "build/$preset/build.ninja" ] && [ ! -f "build/$preset/Makefile" ]; then
  generator=(); command -v ninja >/dev/null && generator=(-G Ninja)
  cmake --preset "$preset" "${generator[@]}" "${options[@]}" >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
fi
cmake --build "build/$preset" --target "$target" --parallel "$(nproc)" >"$log" 2>&1 || { cat "$log" >&2; exit 1; }

#!/usr/bin/env bash
# Builds libaios_cuda.so of this bundle anew with this machine's nvcc (on PATH, in CUDA_HOME, or in /usr/local/cuda), CMake and
# C++ compiler: newer compilers give faster kernels. What the old one warned of is no error here.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
command -v cmake >/dev/null || { echo "error: CMake 3.22 or newer is needed, and cmake was not found" >&2; exit 1; }
toolkit=$(src/eng/cuda-toolkit.sh --cached | tail -n 1)
"$toolkit/bin/nvcc" --version | tail -n 2
cmake -S src -B build -DCMAKE_BUILD_TYPE=Release -DAIOS_TESTS=OFF -DAIOS_STRICT=OFF -DAIOS_CUDA_HOME="$toolkit"
cmake --build build --target aios_cuda --parallel
cp build/lib/libaios_cuda.so app/
echo "app/libaios_cuda.so is new"

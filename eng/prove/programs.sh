#!/usr/bin/env bash
# Builds golden_capture and device_bench into DIR: programs.sh DIR [--simulator]
# For a GPU with nvcc alone; with --simulator with CMake and the C++ compiler, against the simulator. Warnings are no errors:
# another compiler's new ones must not cost what only that machine can show.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
programs=${1:?programs.sh takes a folder}

if [ "${2:-}" = --simulator ]; then
  generator=()
  ! command -v ninja >/dev/null || generator=(-G Ninja)
  cmake -S . -B "$programs/build" "${generator[@]}" -DCMAKE_BUILD_TYPE=Release -DAIOS_STRICT=OFF -DAIOS_TESTS=OFF -DAIOS_BENCH=ON &&
    cmake --build "$programs/build" --parallel "$(nproc)" --target golden_capture device_bench &&
    cp "$programs"/build/bin/{golden_capture,device_bench} "$programs"
  exit
fi

# Prints one line for each source: the object's name, the source, and how nvcc compiles it.
compilations() {
  local capability both old new source
  old="-gencode arch=compute_80,code=sm_80" new="-gencode arch=compute_90a,code=sm_90a"
  capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | head -n 1)
  case $capability in
    9.0) both=$new ;;
    8.*) both=$old ;;
    *) both="$old $new" ;;
  esac
  for source in tests/golden/capture/*.{cu,cpp} tests/golden/golden_capture.cpp native/common/status.cpp bench/native/device_bench.cu; do
    [[ $source == *_sm90.cu ]] && echo "${source//\//.} $source $new" || echo "${source//\//.} $source $both"
  done
}
toolkit=$(eng/cuda-toolkit.sh --cached) || exit
compiler="nvcc $("$toolkit/bin/nvcc" --version | sed -nE 's/.*release [0-9.]+, V([0-9.]+).*/\1/p')"
mkdir -p "$programs/objects"
compilations | xargs -P "$(nproc)" -L 1 bash -c '
  "$0" -std=c++20 -O2 --fmad=false -I. -Inative -Inative/include "-DGOLDEN_COMPILER=\"$1\"" \
    -Xcompiler=-Wall,-Wextra,-ffp-contract=off "${@:5}" -c "$4" -o "$2/$3.o"
  ' "$toolkit/bin/nvcc" "$compiler" "$programs/objects" || exit
link=("$toolkit/bin/nvcc" -L"$toolkit/lib64/stubs")
"${link[@]}" "$programs"/objects/{native.common,tests.golden}.*.o -o "$programs/golden_capture" -lcuda &&
  "${link[@]}" "$programs"/objects/{bench.native.device_bench.cu,native.common.status.cpp}.o -o "$programs/device_bench" -lcuda

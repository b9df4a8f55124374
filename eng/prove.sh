#!/usr/bin/env bash
# Proof on a GPU machine that has a CUDA toolkit and nothing of .NET:
#   eng/prove.sh [--simulator] [--results DIR] [PIECE...]
# Every piece takes less than ten minutes and prints `ok`, `FAILED` or `skipped: reason`; one that was ok before with the
# same results folder (build/prove) is left out. Pieces, all of them in this order when none is named:
#   golden      what the instructions leave behind (tests/golden/README.md), one file a family
#   memcheck, synccheck   the same programs under compute-sanitizer
#   device      copy bandwidth, launch and graph overhead, from C++
#   gemm attention norms loss adamw gpt2 gpt2-compiled   PyTorch's figures, from bench/peers/torch_gpu.py
# Results lie in DIR/<piece>, also those of a piece that was cut off. Where $OUT names a folder, an archive of them all
# is put there after every piece. With --simulator everything runs without a GPU, tiny: no figure of it means anything.
set -uo pipefail
cd "$(dirname "$0")/.."

simulator="" results=$PWD/build/prove wanted=()
all=(golden memcheck synccheck device gemm attention norms loss adamw gpt2 gpt2-compiled)
while [ $# -gt 0 ]; do
  case $1 in
    --simulator) simulator=yes ;;
    --results) results=$(realpath -m "${2:?--results takes a folder}"); shift ;;
    *) [[ " ${all[*]} " == *" $1 "* ]] || { echo "there is no piece $1; there are: ${all[*]}" >&2; exit 2; }
       wanted+=("$1") ;;
  esac
  shift
done
[ ${#wanted[@]} -gt 0 ] || wanted=("${all[@]}")
mkdir -p "$results"
python=${PYTHON:-python3}
programs=$PWD/build/prove-programs

# ---- building with nvcc alone ----

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
  for source in tests/golden/capture/*.{cu,cpp} tests/golden/golden_*.cpp native/common/status.cpp bench/native/device_bench.cu; do
    [[ $source == *_sm90.cu ]] && echo "${source//\//.} $source $new" || echo "${source//\//.} $source $both"
  done
}
build() {
  if [ -n "$simulator" ]; then
    cmake --preset release -G Ninja -DAIOS_BENCH=ON >/dev/null && ninja -C build/release golden_capture golden_replay device_bench &&
      programs=$PWD/build/release/bin
    return
  fi
  local toolkit compiler
  toolkit=$(eng/cuda-toolkit.sh --cached) || return
  compiler="nvcc $("$toolkit/bin/nvcc" --version | sed -nE 's/.*release [0-9.]+, V([0-9.]+).*/\1/p')"
  mkdir -p "$programs/objects"
  compilations | xargs -P "$(nproc)" -L 1 bash -c '
    "$0" -std=c++20 -O2 --fmad=false -I. -Inative -Inative/include "-DGOLDEN_COMPILER=\"$1\"" -Werror=all-warnings \
      -Xcompiler=-Wall,-Wextra,-ffp-contract=off "${@:5}" -c "$4" -o "$2/$3.o"
    ' "$toolkit/bin/nvcc" "$compiler" "$programs/objects" || return
  local link=("$toolkit/bin/nvcc" -L"$toolkit/lib64/stubs") shared=("$programs"/objects/{native.common,tests.golden.capture}.*.o)
  "${link[@]}" "$programs/objects/tests.golden.golden_capture.cpp.o" "${shared[@]}" -o "$programs/golden_capture" -lcuda &&
    "${link[@]}" "$programs/objects/tests.golden.golden_replay.cpp.o" "${shared[@]}" -o "$programs/golden_replay" -lcuda &&
    "${link[@]}" "$programs"/objects/{bench.native.device_bench.cu,native.common.status.cpp}.o -o "$programs/device_bench" -lcuda
}
# Builds once per run; what the compiler says is kept.
built=""
need_programs() {
  [ "$built" = yes ] && { [ -z "$simulator" ] || programs=$PWD/build/release/bin; return 0; }
  [ "$built" = no ] && return 1
  if build >"$results/build.log" 2>&1; then built=yes; else
    built=no
    tail -n 20 "$results/build.log"
    return 1
  fi
}

# ---- pieces: each is run in its folder of the results, which $here names ----

need_gpu() {
  [ -n "$simulator" ] || nvidia-smi -L 2>/dev/null | grep -q . || { reason="no GPU"; return 1; }
}
# A family that hangs is stopped and gone on with after the case that did it.
golden() {
  local family status failed=0 try
  for family in $("$programs/golden_capture" --list); do
    for try in 1 2 3; do
      timeout -k 5 60 "$programs/golden_capture" --out "$here" --family "$family" && status=0 || status=$?
      [ "$status" -ge 124 ] || break
      echo "$family was stopped after 60 s (run $try)"
    done
    [ "$status" = 0 ] || failed=1
    archive
  done
  [ -n "$simulator" ] || cp "$programs/golden_replay" "$here" || true
  return "$failed"
}
sanitize() { # tool
  local family failed=0
  for family in $("$programs/golden_capture" --list); do
    mkdir -p "$here/files"
    timeout -k 5 200 compute-sanitizer --tool "$1" --error-exitcode 9 --log-file "$here/$family.log" \
      "$programs/golden_capture" --out "$here/files" --family "$family" || { failed=1; echo "$1 of $family failed:"; tail -n 5 "$here/$family.log"; }
  done
  return "$failed"
}
device() {
  "$programs/device_bench" ${simulator:+--tiny} >"$here/device.json"
}
torch_peer() { # subject, more arguments
  "$python" bench/peers/torch_gpu.py "$@" ${simulator:+--tiny} --out "$here/$1.jsonl"
}

# Runs a piece unless something is missing, which is its reason.
run_piece() { # piece
  reason=""
  need_gpu || return 3
  case $1 in
    golden) need_programs && golden ;;
    memcheck | synccheck)
      [ -z "$simulator" ] || { reason="compute-sanitizer needs a GPU"; return 3; }
      command -v compute-sanitizer >/dev/null || { reason="there is no compute-sanitizer"; return 3; }
      need_programs && sanitize "$1" ;;
    device) need_programs && device ;;
    *)
      "$python" -c "import torch" 2>/dev/null || { reason="there is no PyTorch for $python"; return 3; }
      case $1 in
        gpt2-compiled) torch_peer gpt2 --compile ;;
        *) torch_peer "$1" ;;
      esac ;;
  esac
}
archive() {
  [ -z "${OUT:-}" ] || { tar -czf "$OUT/prove.tar.gz.new" -C "$results" . && mv "$OUT/prove.tar.gz.new" "$OUT/prove.tar.gz"; }
}
conditions() { # what figures depend on
  date -u +%FT%TZ
  nvidia-smi --query-gpu=name,driver_version,clocks.sm,clocks.mem,clocks.max.sm,temperature.gpu,power.draw,power.limit --format=csv
}

failures=0
for piece in "${wanted[@]}"; do
  if [ -e "$results/$piece/ok" ]; then
    printf 'ok           %s: before, in %s\n' "$piece" "$results"
    continue
  fi
  here=$results/$piece start=$SECONDS
  mkdir -p "$here"
  [ -n "$simulator" ] || conditions >"$here/before.txt" 2>&1
  run_piece "$piece" >"$here/output.txt" 2>&1
  status=$?
  [ -n "$simulator" ] || conditions >"$here/after.txt" 2>&1
  seconds=$((SECONDS - start))
  case $status in
    0) touch "$here/ok"; printf 'ok     %4ds  %s\n' "$seconds" "$piece" ;;
    3) printf 'skipped: %s: %s\n' "$piece" "$reason" ;;
    *) failures=$((failures + 1)); printf 'FAILED %4ds  %s (status %s)\n' "$seconds" "$piece" "$status"; tail -n 30 "$here/output.txt" ;;
  esac
  archive
done
[ "$failures" = 0 ]

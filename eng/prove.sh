#!/usr/bin/env bash
# Proof on a GPU machine: correctness and figures, in pieces (docs/gpu-ci.md says what each piece says).
#   prove.sh [--simulator] [--results DIR] [PIECE...]
# It is eng/prove.sh of a checkout and prove.sh of the portable bundle. The machine needs nvcc and a C++ compiler, CMake
# for `kernels`, PyTorch for the peers; nothing of .NET, no network. Of a checkout's bundle, out/aios-linux-x64 is used.
#
# Every piece takes less than ten minutes and prints `ok`, `FAILED` or `skipped: reason`. What was ok before with the same
# results folder (build/prove; build/prove-simulator), piece or step of one, is left out: run it again to go on. Results lie in DIR/<piece>,
# also those of a piece that was cut off. Where $OUT names a folder, an archive of them all is put there after every step.
# With --simulator everything runs without a GPU, a small part of it: no figure is a measurement then. Nothing is lent for
# minutes then either: only what hangs is stopped, after an hour.
set -uo pipefail
cd "$(dirname "$(realpath "$0")")/.." || exit 1
if [ -e ../app/suites ]; then bundle=$(realpath ..) home=$bundle; else bundle=$PWD/out/aios-linux-x64 home=$PWD; fi

simulator="" backend=cuda results="" wanted=()
# In this order when none is named: the most valuable first.
all=(golden kernels conformance runtime training losses memcheck memcheck-kernels synccheck synccheck-kernels
  device cublas ours gpt2-ours gemm attention norms loss adamw gpt2 gpt2-compiled)
while [ $# -gt 0 ]; do
  case $1 in
    --simulator) simulator=yes backend=cuda-sim ;;
    --results) results=$(realpath -m "${2:?--results takes a folder}"); shift ;;
    *) [[ " ${all[*]} " == *" $1 "* ]] || { echo "there is no piece $1; there are: ${all[*]}" >&2; exit 2; }
       wanted+=("$1") ;;
  esac
  shift
done
[ ${#wanted[@]} -gt 0 ] || wanted=("${all[@]}")
results=${results:-$home/build/prove${simulator:+-simulator}}
mkdir -p "$results"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
origin=${simulator:+the simulator: no figure is a measurement}
origin=${origin:-hardware}
[ ! -e "$results/origin" ] || [ "$(cat "$results/origin")" = "$origin" ] ||
  { echo "$results holds results of $(cat "$results/origin"); name another folder with --results" >&2; exit 2; }
echo "$origin" >"$results/origin"
[ ! -e "$bundle/revision" ] || cp "$bundle/revision" "$results"
python=${PYTHON:-python3}
if toolkit=$(eng/cuda-toolkit.sh --cached 2>/dev/null); then PATH=$PATH:$toolkit/bin; fi
# NVRTC and cuBLAS are the toolkit's, or come with PyTorch.
for folder in "${toolkit:-}/lib64" "$("$python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])' 2>/dev/null)"/nvidia/*/lib; do
  [ ! -d "$folder" ] || export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$folder
done

# ---- a piece is made of steps; $here is its folder of the results ----

readonly piece_seconds=$([ -n "$simulator" ] && echo 3600 || echo 540) least_seconds=10
archive() {
  [ -z "${OUT:-}" ] || { tar -czf "$OUT/prove.tar.gz.new" -C "$results" . && mv "$OUT/prove.tar.gz.new" "$OUT/prove.tar.gz"; }
}
# Runs a command of the piece, whose output is kept, unless it was ok before or the piece's time is over.
step() { # name, seconds it may take, command...
  local name=$1 seconds=$2 left=$((deadline - SECONDS)) status=0
  shift 2
  [ -z "$simulator" ] || seconds=$piece_seconds
  steps=$((steps + 1))
  [ ! -e "$here/$name.ok" ] || return 0
  [ "$left" -ge "$least_seconds" ] || { late=$((late + 1)); return 4; }
  timeout -k 5 "$((left < seconds ? left : seconds))" "$@" >"$here/$name.txt" 2>&1 </dev/null || status=$?
  if [ "$status" = 0 ]; then
    touch "$here/$name.ok"
  elif [ "$status" -ge 124 ] && [ "$left" -lt "$seconds" ]; then
    late=$((late + 1))
  else
    bad+=("$name")
    echo "$name failed with status $status$([ "$status" != 124 ] || echo ": it was stopped after $seconds s"):"
    tail -n 20 "$here/$name.txt"
  fi
  archive
  return "$status"
}
# Why the piece is left out.
skip() {
  reason=$*
  return 3
}
need() { # command
  command -v "$1" >/dev/null || skip "there is no $1"
}
# What the piece says of itself, beside its verdict.
say() {
  said=${said:+$said; }$*
}
verdict() { # its first word, piece, what it says: a line for each thing
  printf '%-12s %s\n' "$1" "$2: ${3//; /$'\n'             }"
}

. eng/prove/pieces.sh

conditions() { # what figures depend on
  date -u +%FT%TZ
  nvidia-smi --query-gpu=name,driver_version,clocks.sm,clocks.mem,clocks.max.sm,temperature.gpu,power.draw,power.limit --format=csv
}
failures=0 proven=0
for piece in "${wanted[@]}"; do
  here=$results/$piece start=$SECONDS deadline=$((SECONDS + piece_seconds))
  if [ -e "$here/ok" ]; then
    verdict "ok    before" "$piece" "$(cat "$here/ok")"
    proven=$((proven + 1))
    continue
  fi
  reason="" said="" steps=0 late=0 bad=()
  mkdir -p "$here"
  rm -f "$here/skipped"
  [ -n "$simulator" ] || conditions >"$here/before.txt" 2>&1
  run_piece "$piece" >"$here/output.txt" 2>&1
  status=$?
  [ -n "$simulator" ] || conditions >"$here/after.txt" 2>&1
  [ ${#bad[@]} = 0 ] || say "failed: ${bad[*]}"
  [ "$late" = 0 ] || say "stopped after $piece_seconds s with $late of $steps steps to go: run it again to go on"
  seconds=$((SECONDS - start))
  if [ -n "$reason" ]; then
    printf 'skipped: %s: %s\n' "$piece" "$reason"
    echo "$reason" >"$here/skipped"
  elif [ "$status" = 0 ] && [ ${#bad[@]} = 0 ] && [ "$late" = 0 ]; then
    echo "$said" >"$here/ok"
    proven=$((proven + 1))
    verdict "$(printf 'ok     %4ds' "$seconds")" "$piece" "$said"
  else
    failures=$((failures + 1))
    verdict "$(printf 'FAILED %4ds' "$seconds")" "$piece" "$said"
    tail -n 30 "$here/output.txt"
  fi
  archive
done
[ "$proven" -gt 0 ] || echo "nothing was proven" >&2
[ "$failures" = 0 ] && [ "$proven" -gt 0 ]

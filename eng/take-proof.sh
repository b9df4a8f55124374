#!/usr/bin/env bash
# Takes what prove.sh brought back from a GPU machine into the repository: take-proof.sh prove.tar.gz NAME, NAME as in h200.
# Complete golden files go to tests/golden/NAME, figures and verdicts to bench/results/NAME, a folder for each piece.
set -euo pipefail
fail() {
  echo "error: $*" >&2
  exit 1
}
[ $# = 2 ] && [[ $2 =~ ^[a-z0-9-]+$ ]] || fail "usage: $0 prove.tar.gz NAME, where NAME is the device's in small letters, such as h200"
archive=$(realpath "$1") name=$2
cd "$(dirname "$(realpath "$0")")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tar -xzf "$archive" -C "$work" 2>/dev/null || fail "$archive is no archive of prove.sh"
origin=$(cat "$work/origin" 2>/dev/null) || fail "$archive is no archive of prove.sh: it does not say where its results are from"
[ "$origin" = hardware ] || fail "$archive is from $origin; it proves nothing and is not taken"

golden=0
for file in "$work"/golden/*.golden; do
  [ -e "$file" ] || continue
  [ "$(tail -n 1 "$file")" = end ] || { echo "left out: ${file##*/} is not complete"; continue; }
  mkdir -p "tests/golden/$name"
  cp "$file" "tests/golden/$name/"
  golden=$((golden + 1))
done
pieces=0
for piece in "$work"/*/; do
  piece=$(basename "$piece")
  rm -rf "bench/results/$name/${piece:?}"
  mkdir -p "bench/results/$name/$piece"
  find "$work/$piece" -maxdepth 1 -type f \( -name '*.json' -o -name '*.jsonl' -o -name '*.txt' -o -name '*.log' -o -name ok \) \
    -exec cp {} "bench/results/$name/$piece/" \;
  pieces=$((pieces + 1))
done
[ ! -e "$work/revision" ] || cp "$work/revision" "bench/results/$name/"
echo "$golden golden files in tests/golden/$name, $pieces pieces in bench/results/$name, of revision $(cat "$work/revision" 2>/dev/null || echo unknown)"

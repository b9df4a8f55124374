#!/usr/bin/env bash
# Time of one training step of GPT-2 124M (B=4, T=64, f32, 2 threads): `aios train` against PyTorch in its fair setting,
# alternating, in the same minutes. Prints a Markdown table; docs/benchmarks.md says how to read it.
#   bench/training-step/run.sh [rounds, default 3]
# Needs Debian's python3-torch, libopenblas0-openmp and libjemalloc2, and a release build of the solution.
set -euo pipefail
cd "$(dirname "$0")/../.."
rounds=${1:-3} batch=4 block=64 steps=12 warm=4
aios=managed/AiOs.Cli/bin/Release/net10.0/aios
libraries=/usr/lib/$(uname -m)-linux-gnu
[ -x "$aios" ] || { echo "error: $aios is missing; build it with: dotnet build -c Release AiOs.Native.sln" >&2; exit 1; }
for file in /usr/lib/python3/dist-packages/torch "$libraries/openblas-openmp/libopenblas.so.0" "$libraries/libjemalloc.so.2"; do
  [ -e "$file" ] || { echo "error: $file is missing; install it with: apt-get install python3-torch libopenblas0-openmp libjemalloc2" >&2; exit 1; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
/usr/bin/python3 -c "import numpy as n, sys; n.random.default_rng(1).integers(0, 50257, $steps * $batch * $block + 1).astype('<u2').tofile('$work/tokens.bin')"

# One thread pool (the OpenMP OpenBLAS, with its AVX-512 kernels) and memory that is kept: PyTorch as shipped is 4x slower here.
peer() {
  env OPENBLAS_CORETYPE=SkylakeX LD_LIBRARY_PATH="$libraries/openblas-openmp" LD_PRELOAD="$libraries/libjemalloc.so.2" \
    MALLOC_CONF=dirty_decay_ms:-1,muzzy_decay_ms:-1,thp:always OMP_NUM_THREADS=2 \
    /usr/bin/python3 bench/training-step/torch_peer.py "$work/tokens.bin" $batch $block $steps
}
ours() {
  rm -rf "$work/out"
  "$aios" train --tokens "$work/tokens.bin" --order sequential --layers 12 --heads 12 --embd 768 --vocab 50257 \
    --block $block --batch $batch --steps $steps --dropout 0 --grad-clip 1 --lr 1e-4 --weight-decay 0.1 --beta2 0.95 \
    --schedule constant --threads 2 --save-every 1000 --out "$work/out" --log-json "$work/ours.jsonl" >/dev/null
}
for round in $(seq "$rounds"); do
  peer >"$work/peer.$round.json"
  ours
  mv "$work/ours.jsonl" "$work/ours.$round.jsonl"
done
/usr/bin/python3 - "$work" "$rounds" "$warm" <<'PY'
import json, statistics, sys
work, rounds, warm = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
print("| round | PyTorch ms | aios ms | aios / PyTorch |\n|---|---|---|---|")
peers, ours = [], []
for r in range(1, rounds + 1):
    peer = json.load(open(f"{work}/peer.{r}.json"))["ms"][warm:]
    own = [json.loads(line)["ms"] for line in open(f"{work}/ours.{r}.jsonl")][warm:]
    peers += peer
    ours += own
    a, b = statistics.median(peer), statistics.median(own)
    print(f"| {r} | {a:.0f} | {b:.0f} | {b / a:.2f} |")
a, b = statistics.median(peers), statistics.median(ours)
print(f"| all | {a:.0f} ({min(peers):.0f}-{max(peers):.0f}) | {b:.0f} ({min(ours):.0f}-{max(ours):.0f}) | {b / a:.2f} |")
PY

#!/usr/bin/env bash
# Time of one training step of a GPT (2 threads): `aios train` against PyTorch in its fair setting (f32), alternating, in the
# same minutes. Prints a Markdown table; docs/benchmarks.md says how to read it.
#   [MODEL=gpt2|small] bench/training-step/run.sh [rounds, default 3] [dtype of aios: f32 (default) or bf16; both: "f32 bf16"]
# gpt2: GPT-2 124M, B=4, T=64. small: 6 layers, 6 heads, width 384, a vocabulary of 256, B=8, T=256.
# Needs Debian's python3-torch, libopenblas0-openmp and libjemalloc2, and a release build of the solution.
set -euo pipefail
cd "$(dirname "$0")/../.."
rounds=${1:-3} dtypes=${*:2} steps=12 warm=4
case ${MODEL:-gpt2} in
  gpt2) batch=4 block=64 layers=12 heads=12 width=768 vocab=50257 ;;
  small) batch=8 block=256 layers=6 heads=6 width=384 vocab=256 ;;
  *) echo "error: MODEL=$MODEL; use gpt2 or small" >&2; exit 2 ;;
esac
dtypes=${dtypes:-f32}
aios=managed/AiOs.Cli/bin/Release/net10.0/aios
libraries=/usr/lib/$(uname -m)-linux-gnu
[ -x "$aios" ] || { echo "error: $aios is missing; build it with: dotnet build -c Release AiOs.Native.sln" >&2; exit 1; }
for file in /usr/lib/python3/dist-packages/torch "$libraries/openblas-openmp/libopenblas.so.0" "$libraries/libjemalloc.so.2"; do
  [ -e "$file" ] || { echo "error: $file is missing; install it with: apt-get install python3-torch libopenblas0-openmp libjemalloc2" >&2; exit 1; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
/usr/bin/python3 -c "import numpy as n, sys; n.random.default_rng(1).integers(0, $vocab, $steps * $batch * $block + 1).astype('<u2').tofile('$work/tokens.bin')"

# Runs a program, its output to a file, and leaves its greatest resident memory, in MiB, beside that file.
measured() {
  /usr/bin/python3 - "$@" <<'PY'
import resource, subprocess, sys
output, command = sys.argv[1], sys.argv[2:]
subprocess.run(command, stdout=open(output, "w"), check=True)
open(output + ".mib", "w").write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024))
PY
}
# One thread pool (the OpenMP OpenBLAS, with its AVX-512 kernels) and memory that is kept: PyTorch as shipped is 4x slower here.
peer() {
  measured "$1" env OPENBLAS_CORETYPE=SkylakeX LD_LIBRARY_PATH="$libraries/openblas-openmp" LD_PRELOAD="$libraries/libjemalloc.so.2" \
    MALLOC_CONF=dirty_decay_ms:-1,muzzy_decay_ms:-1,thp:always OMP_NUM_THREADS=2 \
    /usr/bin/python3 bench/training-step/torch_peer.py "$work/tokens.bin" $batch $block $steps $layers $heads $width $vocab
}
ours() {
  rm -rf "$work/out"
  measured "$2.txt" "$aios" train --tokens "$work/tokens.bin" --dtype "$1" --order sequential --layers $layers --heads $heads --embd $width --vocab $vocab \
    --block $block --batch $batch --steps $steps --dropout 0 --grad-clip 1 --lr 1e-4 --weight-decay 0.1 --beta2 0.95 \
    --schedule constant --threads 2 --save-every 1000 --out "$work/out" --log-json "$2"
}
for round in $(seq "$rounds"); do
  peer "$work/peer.$round"
  for dtype in $dtypes; do
    ours "$dtype" "$work/$dtype.$round"
  done
done
/usr/bin/python3 - "$work" "$rounds" "$warm" $dtypes <<'PY'
import json, statistics, sys
work, rounds, warm, dtypes = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
names = ["peer"] + dtypes
ratios = [(a, b) for i, a in enumerate(names) for b in names[:i]]
text = dict(peer="PyTorch", f32="aios f32", bf16="aios bf16")


def times(name, r):
    file = open(f"{work}/{name}.{r}")
    return json.load(file)["ms"][warm:] if name == "peer" else [json.loads(line)["ms"] for line in file][warm:]


def row(first, samples, spread):
    medians = {name: statistics.median(samples[name]) for name in names}
    cells = [f"{medians[n]:.0f}" + (f" ({min(samples[n]):.0f}-{max(samples[n]):.0f})" if spread else "") for n in names]
    return "| " + " | ".join([first] + cells + [f"{medians[a] / medians[b]:.2f}" for a, b in ratios]) + " |"


print("| round | " + " | ".join([f"{text[n]} ms" for n in names] + [f"{text[a]} / {text[b]}" for a, b in ratios]) + " |")
print("|---" * (1 + len(names) + len(ratios)) + "|")
every = {name: [] for name in names}
for r in range(1, rounds + 1):
    samples = {name: times(name, r) for name in names}
    for name in names:
        every[name] += samples[name]
    print(row(str(r), samples, False))
print(row("all", every, True))
memory = {n: max(int(open(f"{work}/{n}.{r}{'' if n == 'peer' else '.txt'}.mib").read()) for r in range(1, rounds + 1)) for n in names}
print("\nGreatest resident memory of the process, MiB: " + ", ".join(f"{text[n]} {memory[n]}" for n in names))
PY

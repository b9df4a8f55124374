#!/usr/bin/env bash
# Runs aios bench of this bundle: run-bench.sh [BENCHMARK] [OPTIONS], such as gemm --backend cuda (./aios bench --help lists them);
# all benchmarks when none is named. Prints what it runs on first, and writes everything to results/bench.txt too.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")" || exit 1
[[ ${1:--} != -* ]] || set -- all "$@"
mkdir -p results
{
  ./aios doctor
  ./aios bench "$@"
} 2>&1 | tee results/bench.txt
exit "${PIPESTATUS[0]}"

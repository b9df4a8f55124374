#!/usr/bin/env bash
# Runs an aarch64 program: qemu-aarch64.sh PROGRAM [ARGUMENT...]
#
# All its threads share one processor. qemu translates a sequentially consistent store (STLR) and load (LDAR) to x86-64
# with barriers before and after the pair but none in between, so the load may overtake the store; the flags of the pool
# (docs/design/cpu-backend.md) rely on it not doing so. A thread on the same processor cannot see the difference.
set -euo pipefail
cpus=$(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status)
cpu=$(for range in ${cpus//,/ }; do seq "${range%-*}" "${range#*-}"; done | shuf -n 1)
export AIOS_EMULATED=qemu
exec taskset -c "$cpu" qemu-aarch64 -L /usr/aarch64-linux-gnu "$@"

// What the machine and the container give this process.
#pragma once

#include <cstdint>

namespace aios::cpu {

/// Processors in this process's affinity mask.
int affinity_cores();

/// affinity_cores(), lowered to the CPU quota of the control group (v1 or v2), rounded up; at least 1.
int usable_cores();

/// Size in bytes of the data cache of `level` (1 to 3), or 0 when unknown.
int64_t cache_bytes(int level);

/// Copies the processor's name, as the machine reports it, zero-terminated.
void processor_name(char *name, int capacity);

} // namespace aios::cpu

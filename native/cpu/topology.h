// What the machine and the container give this process.
#pragma once

#include <cstdint>

namespace aios::cpu {

/// Processors in this process's affinity mask.
int affinity_cores();

/// What quota_cores says when there is no limit.
constexpr double kNoQuota = 1e9;

/// Processors' worth of time that the control groups of this process (v1 or v2) leave it, a fraction; kNoQuota without
/// a limit. `root` stands before the paths that are read.
double quota_cores(const char *root = "");

/// Size in bytes of the data cache of `level` (1 to 3), or 0 when unknown.
int64_t cache_bytes(int level);

/// Bytes of memory that the system could give out now without writing any to disk.
int64_t available_memory();

/// Copies the processor's name, as the machine reports it, zero-terminated.
void processor_name(char *name, int capacity);

} // namespace aios::cpu

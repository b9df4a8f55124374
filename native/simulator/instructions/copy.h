// cp.async: copies of 4, 8 or 16 bytes from global to shared memory by the thread that issues them.
#pragma once

#include <cstdint>

#include "../executor/types.h"

namespace aios::sim {

/// Copies `source_size` bytes and fills the rest of `size` with zeros, at any time before the thread waits for it.
void copy_async(uint32_t destination, const void *source, uint32_t size, uint32_t source_size, const Site &site);
/// Closes the group of copies issued since the last one.
void copy_commit();
/// Waits until at most the `newest` most recent groups are incomplete.
void copy_wait(uint32_t newest);
/// cp.async.wait_all: also for copies that are in no group yet.
void copy_wait_all();

} // namespace aios::sim

// cp.async.bulk and its tensor forms: large copies between global and shared memory by the asynchronous proxy.
#pragma once

#include <cstdint>

#include "../executor/types.h"
#include "tensor_map.h"

namespace aios::sim {

enum class Reduction : uint8_t { none, add, min, max, bit_and, bit_or, bit_xor };

/// A copy of contiguous bytes from global to shared memory, which reports its bytes to an mbarrier.
void bulk_load(uint32_t destination, const void *source, uint32_t size, uint32_t barrier, const Site &site);
/// From this block's shared memory to another one's of the cluster; the barrier is in the other one's.
void bulk_send(uint32_t destination, uint32_t source, uint32_t size, uint32_t barrier, const Site &site);
/// From shared to global memory, in the thread's open bulk group.
void bulk_store(void *destination, uint32_t source, uint32_t size, const Site &site);

/// Loads the map's box at the coordinates (innermost first) into shared memory; what lies outside the tensor becomes
/// the fill value and counts as bytes all the same. With `blocks`, a mask of ranks in the cluster, every one of them
/// gets the box at the same offset and reports to its own barrier.
void tensor_load(uint32_t destination, const void *map, const int32_t *coordinates, uint32_t rank, uint32_t barrier,
                 uint32_t blocks, const Site &site);
/// Stores the box, or combines it with what is there; what lies outside the tensor is left out.
void tensor_store(const void *map, uint32_t source, const int32_t *coordinates, uint32_t rank, Reduction reduction,
                  const Site &site);

void bulk_commit();
/// Waits until at most the `newest` most recent bulk groups are incomplete, or (`read_only`) still read shared memory.
void bulk_wait(uint32_t newest, bool read_only, const Site &site);

} // namespace aios::sim

// Blocks of a cluster: their barrier and each other's shared memory.
#pragma once

#include <cstdint>

#include "../executor/types.h"

namespace aios::sim {

uint32_t cluster_rank();
uint32_t cluster_size();

/// mapa: the shared address of the same offset in another block of the cluster.
uint32_t map_shared(uint32_t address, uint32_t rank, const Site &site);

/// barrier.cluster.arrive and .wait; every thread of the cluster alternates them.
void cluster_arrive(const Site &site);
void cluster_wait(const Site &site);

/// Plain accesses to an address from map_shared.
void load_remote(uint32_t address, uint32_t size, void *value, const Site &site);
void store_remote(uint32_t address, uint32_t size, const void *value, const Site &site);

} // namespace aios::sim

#include "cluster.h"

#include <cstring>

#include "../executor/report.h"
#include "../executor/sync.h"
#include "asynchrony.h"

namespace aios::sim {
namespace {

std::string describe_wait(const Thread &) {
  const ClusterBarrier &barrier = Engine::get().asynchrony().cluster_barrier();
  return "barrier.cluster.wait, where " + std::to_string(barrier.arrived) + " of " +
         std::to_string(Engine::get().thread_count()) + " threads have arrived";
}

unsigned char *remote(uint32_t address, uint32_t size, Access access, const Site &site) {
  Location location = locate(address, site);
  if (location.block->alive == 0)
    stop(Fault::address, site, "the shared memory of a block that has exited is accessed");
  if (location.address % size != 0)
    stop(Fault::misaligned, site, "%u bytes at 0x%x of a block's shared memory", size, location.address);
  location.window().access(*current, access, location.address, size, site);
  return location.window().at(location.address);
}

} // namespace

uint32_t cluster_rank() {
  return current->block->rank;
}

uint32_t cluster_size() {
  return Engine::get().block_count();
}

uint32_t map_shared(uint32_t address, uint32_t rank, const Site &site) {
  if (rank >= cluster_size())
    stop(Fault::address, site, "mapa to block %u of a cluster of %u", rank, cluster_size());
  return (rank + 1) << kClusterShift | (address & ((1u << kClusterShift) - 1));
}

void cluster_arrive(const Site &site) {
  Engine &engine = Engine::get();
  ClusterBarrier &barrier = engine.asynchrony().cluster_barrier();
  ThreadState &state = engine.asynchrony().state(*current);
  if (state.arrived)
    stop(Fault::protocol, site, "barrier.cluster.arrive twice without barrier.cluster.wait");
  state.arrived = true;
  state.arrival = barrier.phase;
  release_to(barrier.released, *current);
  if (++barrier.arrived < engine.thread_count())
    return;
  barrier.arrived = 0;
  ++barrier.phase;
  barrier.completed = barrier.released.result();
  for (Thread *thread : barrier.waiting)
    engine.wake(*thread);
  barrier.waiting.clear();
}

void cluster_wait(const Site &site) {
  Engine &engine = Engine::get();
  ClusterBarrier &barrier = engine.asynchrony().cluster_barrier();
  ThreadState &state = engine.asynchrony().state(*current);
  if (!state.arrived)
    stop(Fault::protocol, site, "barrier.cluster.wait without barrier.cluster.arrive");
  if (barrier.phase == state.arrival) {
    barrier.waiting.push_back(current);
    engine.wait(Wait{describe_wait, site});
  }
  state.arrived = false;
  acquire(*current, barrier.completed);
}

void load_remote(uint32_t address, uint32_t size, void *value, const Site &site) {
  std::memcpy(value, remote(address, size, Access::read, site), size);
}

void store_remote(uint32_t address, uint32_t size, const void *value, const Site &site) {
  std::memcpy(remote(address, size, Access::write, site), value, size);
}

} // namespace aios::sim

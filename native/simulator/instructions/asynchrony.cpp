#include "asynchrony.h"

#include "../executor/report.h"
#include "../executor/sync.h"

namespace aios::sim {
namespace {

const Thread *first_thread(const Warp &warp) {
  return warp.block->threads + warp.index / kWarpgroupWarps * kWarpgroupThreads;
}

} // namespace

void Asynchrony::begin() {
  Engine &engine = Engine::get();
  slots_.assign(kSlots, Slot{});
  free_.clear();
  for (uint32_t i = 0; i < kSlots; ++i)
    free_.push_back(i);
  threads_.assign(engine.thread_count(), ThreadState{});
  warpgroups_.clear();
  barriers_.clear();
  cluster_barrier_ = ClusterBarrier{};
}

Agent Asynchrony::start(const char *what, const Block *target, bool announced, const Site &site) {
  Engine &engine = Engine::get();
  ++engine.counters().async_operations;
  if (free_.empty()) {
    free_.push_back(static_cast<uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  uint32_t number = free_.front();
  free_.pop_front();
  Slot &slot = slots_[number];
  slot = Slot{slot.time + 1, current->id, what, target, announced, site};
  return Agent{2 * engine.thread_count() + number, slot.time};
}

void Asynchrony::finish(Agent agent) {
  uint32_t number = agent.id - 2 * Engine::get().thread_count();
  free_.push_back(number);
}

std::string Asynchrony::name(uint32_t agent) const {
  Engine &engine = Engine::get();
  uint32_t threads = engine.thread_count();
  if (agent < 2 * threads)
    return thread_name(engine.thread(agent - threads));
  return thread_name(engine.thread(slots_[agent - 2 * threads].thread));
}

Warpgroup &Asynchrony::warpgroup(const Warp &warp) {
  if (warp.block->warp_count < (warp.index / kWarpgroupWarps + 1) * kWarpgroupWarps)
    stop(Fault::protocol, Site{}, "wgmma in warp %u, which belongs to no complete warpgroup", warp.index);
  return warpgroups_[first_thread(warp)];
}

Warpgroup *Asynchrony::existing_warpgroup(const Warp &warp) {
  auto found = warpgroups_.find(first_thread(warp));
  return found == warpgroups_.end() ? nullptr : &found->second;
}

SharedWindow &Asynchrony::target(Agent agent) const {
  return *slots_[agent.id - 2 * Engine::get().thread_count()].target->shared;
}

void Asynchrony::leave(Thread &thread) {
  const ThreadState &mine = state(thread);
  if (!mine.copies.empty())
    stop(Fault::protocol, mine.copies.back().site, "%s exits without having waited for its cp.async copies",
         thread_name(thread).c_str());
  for (const BulkOperation &operation : mine.bulk)
    if (!operation.read_done || operation.group == mine.bulk_group) {
      const Slot &slot = slots_[operation.agent.id - 2 * Engine::get().thread_count()];
      stop(Fault::protocol, slot.site, "%s exits without having waited for its %s, which still reads shared memory",
           thread_name(thread).c_str(), slot.what);
    }
  leave_warpgroup(thread);
}

void Asynchrony::leave(Block &block) {
  Engine &engine = Engine::get();
  for (uint32_t i = 0; i < slots_.size(); ++i) {
    const Slot &slot = slots_[i];
    if (!slot.announced || slot.target != &block)
      continue;
    bool known = false;
    for (uint32_t t = 0; t < engine.launch().block.volume() && !known; ++t)
      known = has_seen(block.threads[t].knowledge.seen, 2 * engine.thread_count() + i, slot.time);
    if (!known)
      stop(Fault::protocol, slot.site,
           "all threads of the block have exited while the %s may be in flight: none of them "
           "has waited for it",
           slot.what);
  }
}

Location locate(uint32_t address, const Site &site) {
  Engine &engine = Engine::get();
  if (!engine.keeps_clocks())
    stop(Fault::address, site, "shared memory is accessed by a launch without any");
  uint32_t rank = address >> kClusterShift;
  if (rank > engine.block_count())
    stop(Fault::address, site, "shared address 0x%x names block %u of a cluster of %u", address, rank - 1,
         engine.block_count());
  Block *block = rank == 0 ? current->block : &engine.block(rank - 1);
  return Location{block, address & ((1u << kClusterShift) - 1)};
}

void acquire_agent(Thread &thread, Agent agent) {
  if (has_seen(thread.knowledge.seen, agent.id, agent.time))
    return;
  // One vector for all who learn of the same operation, so that they go on sharing what they know.
  static thread_local Agent last{0, 0};
  static thread_local Times alone;
  if (last.id != agent.id || last.time != agent.time || !alone) {
    Join join;
    join.add(agent.id, agent.time);
    alone = join.result();
    last = agent;
  }
  acquire(thread, Knowledge{alone, nullptr});
}

} // namespace aios::sim

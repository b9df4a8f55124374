#include "mbarrier.h"

#include <algorithm>

#include "../executor/report.h"
#include "../executor/sync.h"

namespace aios::sim {
namespace {

constexpr uint32_t kObjectBytes = 8;
constexpr uint32_t kMaxCount = (1u << 20) - 1;

uint64_t key(const Location &location) {
  return static_cast<uint64_t>(location.block->rank) << 32 | location.address;
}

MBarrier &find(const Location &location, const char *what, const Site &site) {
  auto &barriers = Engine::get().asynchrony().barriers();
  auto found = barriers.find(key(location));
  if (found == barriers.end())
    stop(Fault::protocol, site, "%s on shared address 0x%x, where no mbarrier has been initialised", what,
         location.address);
  MBarrier &barrier = found->second;
  if (barrier.owner != current->id && !has_seen(current->knowledge.seen, barrier.owner, barrier.time))
    stop(Fault::race, site, "%s on the mbarrier at 0x%x, which %s initialised at %s, and nothing orders the two", what,
         location.address, thread_name(Engine::get().thread(barrier.owner)).c_str(), place(barrier.site).c_str());
  return barrier;
}

std::string describe_wait(const Thread &thread) {
  const MBarrier &barrier =
      Engine::get().asynchrony().barriers()[static_cast<uint64_t>(thread.block->rank) << 32 | thread.wait.address];
  char text[160];
  std::snprintf(
      text, sizeof text,
      "mbarrier.try_wait for parity %u of the mbarrier at 0x%x, which is in phase %u with %u of %u arrivals and %lld "
      "bytes to come",
      thread.wait.parity, thread.wait.address, barrier.phase, barrier.pending, barrier.expected,
      static_cast<long long>(barrier.bytes));
  return text;
}

/// Completes the phase if nothing is to come any more.
void settle(MBarrier &barrier, const Site &site) {
  if (barrier.pending != 0 || barrier.bytes > 0)
    return;
  if (barrier.bytes < 0)
    stop(Fault::protocol, site, "an mbarrier got %lld bytes more than its arrivals have announced in phase %u",
         -static_cast<long long>(barrier.bytes), barrier.phase);
  ++barrier.phase;
  barrier.pending = barrier.expected;
  barrier.completed = barrier.released.result();
  for (Thread *thread : barrier.waiting) {
    acquire(*thread, barrier.completed);
    Engine::get().wake(*thread);
  }
  barrier.waiting.clear();
}

} // namespace

void mbarrier_init(uint32_t address, uint32_t count, const Site &site) {
  Location location = locate(address, site);
  if (location.block != current->block)
    stop(Fault::protocol, site, "mbarrier.init of another block's shared memory");
  if (location.address % kObjectBytes != 0)
    stop(Fault::misaligned, site, "mbarrier.init at 0x%x, which is not aligned to 8", location.address);
  if (count == 0 || count > kMaxCount)
    stop(Fault::protocol, site, "mbarrier.init for %u arrivals", count);
  auto &barriers = Engine::get().asynchrony().barriers();
  if (barriers.contains(key(location)))
    stop(Fault::protocol, site, "mbarrier.init at 0x%x, where an mbarrier is in use", location.address);
  location.window().access(*current, Access::write, location.address, kObjectBytes, site, "mbarrier.init");
  MBarrier &barrier = barriers[key(location)];
  barrier.expected = barrier.pending = count;
  barrier.owner = current->id;
  barrier.time = current->time;
  barrier.site = site;
}

void mbarrier_invalidate(uint32_t address, const Site &site) {
  Location location = locate(address, site);
  MBarrier &barrier = find(location, "mbarrier.inval", site);
  if (!barrier.waiting.empty() || barrier.bytes != 0)
    stop(Fault::protocol, site, "mbarrier.inval at 0x%x while the barrier is in use", location.address);
  location.window().access(*current, Access::write, location.address, kObjectBytes, site, "mbarrier.inval");
  Engine::get().asynchrony().barriers().erase(key(location));
}

void mbarrier_arrive(uint32_t address, uint32_t bytes, const Site &site) {
  Engine::get().maybe_yield();
  Location location = locate(address, site);
  MBarrier &barrier = find(location, "mbarrier.arrive", site);
  if (barrier.pending == 0)
    stop(Fault::protocol, site, "more than %u arrivals in phase %u of the mbarrier at 0x%x", barrier.expected,
         barrier.phase, location.address);
  barrier.bytes += bytes;
  release_to(barrier.released, *current);
  --barrier.pending;
  settle(barrier, site);
}

void mbarrier_expect(uint32_t address, uint32_t bytes, const Site &site) {
  find(locate(address, site), "mbarrier.expect_tx", site).bytes += bytes;
}

bool mbarrier_try_wait(uint32_t address, uint32_t parity, const Site &site) {
  Engine &engine = Engine::get();
  engine.maybe_yield();
  Location location = locate(address, site);
  if (location.block != current->block)
    stop(Fault::protocol, site, "mbarrier.try_wait on another block's barrier");
  MBarrier &barrier = find(location, "mbarrier.try_wait", site);
  if ((barrier.phase & 1) != (parity & 1)) {
    acquire(*current, barrier.completed);
    return true;
  }
  if (engine.random().below(8) == 0)
    return false;
  barrier.waiting.push_back(current);
  engine.wait(Wait{describe_wait, site, location.address, parity});
  return true;
}

void fence_proxy_async() {
  Thread &thread = *current;
  KnowledgeJoin join;
  join.add(thread.knowledge);
  join.fenced.add(thread.knowledge.seen);
  join.fenced.add(thread.id, thread.time++);
  thread.knowledge = join.result();
  for (auto &[place, barrier] : Engine::get().asynchrony().barriers())
    if (has_seen(thread.knowledge.fenced, barrier.owner, barrier.time))
      barrier.fenced = true;
}

void fence_mbarrier_init() {
  for (auto &[place, barrier] : Engine::get().asynchrony().barriers())
    if (barrier.owner == current->id)
      barrier.fenced = true;
}

MBarrier &mbarrier_for_operation(Location location, const Site &site) {
  MBarrier &barrier = find(location, "an asynchronous copy", site);
  if (!barrier.fenced)
    stop(Fault::proxy, site,
         "an asynchronous copy reports to the mbarrier at 0x%x, which was initialised at %s without a "
         "fence.mbarrier_init or fence.proxy.async after it",
         location.address, place(barrier.site).c_str());
  return barrier;
}

void complete_bytes(MBarrier &barrier, uint32_t bytes, Agent agent) {
  barrier.bytes -= bytes;
  barrier.released.seen.add(agent.id, agent.time);
  settle(barrier, barrier.site);
}

} // namespace aios::sim

#include "bulk.h"

#include <cstring>
#include <memory>
#include <vector>

#include "../executor/report.h"
#include "../executor/sync.h"
#include "mbarrier.h"
#include "tensor_box.h"

namespace aios::sim {
namespace {

constexpr unsigned kDelayMagnitude = 10; // bytes move within up to 2^11 steps
// Of a tensor map, which is an argument. Compilers for aarch64 align no copy of an argument beyond 16 bytes.
#if defined(__aarch64__)
constexpr uintptr_t kMapAlignment = 16;
#else
constexpr uintptr_t kMapAlignment = 64;
#endif
constexpr uint32_t kWaitsForBulk = 0xFFFFFFFFu; // as the address of a wait: no barrier has it

uint64_t some_delay() {
  return Engine::get().random().delay(kDelayMagnitude);
}

Accessor accessor(Agent agent, const Site &site, const char *what) {
  return Accessor{agent.id, agent.time, current->id, &current->knowledge, true, site, what};
}

Location local(uint32_t address, const char *what, const Site &site) {
  Location location = locate(address, site);
  if (location.block != current->block)
    stop(Fault::address, site, "%s of another block's shared memory", what);
  return location;
}

void need(bool aligned, const char *what, uint64_t address, const Site &site) {
  if (!aligned)
    stop(Fault::misaligned, site, "%s at 0x%llx, which is not aligned", what, static_cast<unsigned long long>(address));
}

/// Issues an operation that fills [location, size) some time later by `fill` and then reports to the barrier.
template <class Fill>
void bring(const Location &location, uint32_t size, MBarrier &barrier, const char *what, const Site &site, Fill fill) {
  Engine &engine = Engine::get();
  Agent agent = engine.asynchrony().start(what, location.block, true, site);
  location.window().access(accessor(agent, site, what), Access::write, location.address, size);
  location.window().poison(location.address, size);
  engine.after(some_delay(), [=, &barrier, &engine] {
    fill(location);
    engine.asynchrony().finish(agent);
    complete_bytes(barrier, size, agent);
  });
}

/// Issues an operation of the thread's open bulk group that reads shared memory by `fetch` and, later again, writes
/// global memory by `write`.
template <class Fetch, class Write>
void take(const Location &location, uint32_t size, const char *what, const Site &site, Fetch fetch, Write write) {
  Engine &engine = Engine::get();
  Thread &thread = *current;
  ThreadState &state = engine.asynchrony().state(thread);
  Agent agent = engine.asynchrony().start(what, location.block, false, site);
  location.window().access(accessor(agent, site, what), Access::read, location.address, size);
  state.bulk.push_back(BulkOperation{agent, false, false, state.bulk_group});
  auto bytes = std::make_shared<std::vector<unsigned char>>();
  auto mark = [&engine, &thread, agent](bool BulkOperation::*step) {
    for (BulkOperation &operation : engine.asynchrony().state(thread).bulk)
      if (operation.agent.id == agent.id && operation.agent.time == agent.time)
        operation.*step = true;
    if (thread.state == State::waiting && thread.wait.address == kWaitsForBulk) {
      thread.wait.address = 0;
      engine.wake(thread);
    }
  };
  engine.after(some_delay(), [=, &engine] {
    *bytes = fetch(location);
    mark(&BulkOperation::read_done);
    engine.after(some_delay(), [=, &engine] {
      write(*bytes);
      engine.asynchrony().finish(agent);
      mark(&BulkOperation::done);
    });
  });
}

std::vector<unsigned char> copy_of(const Location &location, uint32_t size) {
  const unsigned char *from = location.window().at(location.address);
  return {from, from + size};
}

std::string describe_wait(const Thread &) {
  return "a wait for bulk groups";
}

const TensorMap &check_map(const void *map, uint32_t rank, const Site &site) {
  const auto &tensor = *static_cast<const TensorMap *>(map);
  if (reinterpret_cast<uintptr_t>(map) % kMapAlignment != 0)
    stop(Fault::misaligned, site, "the tensor map at %p is not aligned to 64", map);
  if (tensor.magic != TensorMap::kMagic)
    stop(Fault::protocol, site, "there is no tensor map at %p", map);
  if (tensor.rank != rank)
    stop(Fault::protocol, site, "%u coordinates for a tensor map of %u dimensions", rank, tensor.rank);
  return tensor;
}

} // namespace

void bulk_load(uint32_t destination, const void *source, uint32_t size, uint32_t barrier, const Site &site) {
  Engine::get().maybe_yield();
  need(size % 16 == 0 && size > 0, "cp.async.bulk of a number of bytes", size, site);
  need(reinterpret_cast<uintptr_t>(source) % 16 == 0, "the source of cp.async.bulk",
       reinterpret_cast<uintptr_t>(source), site);
  need(destination % 16 == 0, "the destination of cp.async.bulk", destination, site);
  Location to = locate(destination, site), at = locate(barrier, site);
  if (to.block != at.block)
    stop(Fault::protocol, site, "cp.async.bulk reports to a barrier of another block than its destination's");
  bring(to, size, mbarrier_for_operation(at, site), "bulk load", site,
        [=](const Location &location) { std::memcpy(location.window().at(location.address), source, size); });
}

void bulk_send(uint32_t destination, uint32_t source, uint32_t size, uint32_t barrier, const Site &site) {
  Engine &engine = Engine::get();
  engine.maybe_yield();
  need(size % 16 == 0 && size > 0, "cp.async.bulk of a number of bytes", size, site);
  need(destination % 16 == 0, "the destination of cp.async.bulk", destination, site);
  need(source % 16 == 0, "the source of cp.async.bulk", source, site);
  Location from = local(source, "cp.async.bulk", site), to = locate(destination, site), at = locate(barrier, site);
  if (to.block != at.block)
    stop(Fault::protocol, site, "cp.async.bulk reports to a barrier of another block than its destination's");
  MBarrier &reported = mbarrier_for_operation(at, site);
  // One agent reads and writes: both are over when the bytes have come.
  Agent agent = engine.asynchrony().start("bulk copy between blocks", to.block, true, site);
  Accessor who = accessor(agent, site, "bulk copy between blocks");
  from.window().access(who, Access::read, from.address, size);
  to.window().access(who, Access::write, to.address, size);
  to.window().poison(to.address, size);
  engine.after(some_delay(), [=, &engine, &reported] {
    std::memcpy(to.window().at(to.address), from.window().at(from.address), size);
    engine.asynchrony().finish(agent);
    complete_bytes(reported, size, agent);
  });
}

void bulk_store(void *destination, uint32_t source, uint32_t size, const Site &site) {
  Engine::get().maybe_yield();
  need(size % 16 == 0 && size > 0, "cp.async.bulk of a number of bytes", size, site);
  need(reinterpret_cast<uintptr_t>(destination) % 16 == 0, "the destination of cp.async.bulk",
       reinterpret_cast<uintptr_t>(destination), site);
  need(source % 16 == 0, "the source of cp.async.bulk", source, site);
  take(
      local(source, "cp.async.bulk", site), size, "bulk store", site,
      [=](const Location &from) { return copy_of(from, size); },
      [=](const std::vector<unsigned char> &bytes) { std::memcpy(destination, bytes.data(), bytes.size()); });
}

void tensor_load(uint32_t destination, const void *map, const int32_t *coordinates, uint32_t rank, uint32_t barrier,
                 uint32_t blocks, const Site &site) {
  Engine &engine = Engine::get();
  engine.maybe_yield();
  TensorBox box(check_map(map, rank, site), coordinates);
  Location to = local(destination, "a TMA load", site), at = local(barrier, "a TMA load's barrier", site);
  need(to.address % 128 == 0, "the destination of a TMA load", to.address, site);
  if (blocks == 0)
    blocks = 1u << current->block->rank;
  if (blocks >> engine.block_count() != 0)
    stop(Fault::protocol, site, "a TMA load for blocks 0x%x of a cluster of %u", blocks, engine.block_count());
  for (uint32_t b = 0; b < engine.block_count(); ++b) {
    if ((blocks >> b & 1) == 0)
      continue;
    Block &block = engine.block(b);
    bring({&block, to.address}, box.bytes(), mbarrier_for_operation({&block, at.address}, site), "TMA load", site,
          [=](const Location &location) { box.load(location.window().at(kSharedBase), location.address); });
  }
}

void tensor_store(const void *map, uint32_t source, const int32_t *coordinates, uint32_t rank, Reduction reduction,
                  const Site &site) {
  Engine::get().maybe_yield();
  TensorBox box(check_map(map, rank, site), coordinates);
  Location from = local(source, "a TMA store", site);
  need(from.address % 128 == 0, "the source of a TMA store", from.address, site);
  if (const char *problem = box.check(reduction))
    stop(Fault::protocol, site, "a TMA reduction that does not exist: %s", problem);
  take(
      from, box.bytes(), reduction == Reduction::none ? "TMA store" : "TMA reduction", site,
      [=](const Location &location) { return box.gather(location.window().at(kSharedBase), location.address); },
      [=](const std::vector<unsigned char> &bytes) { box.store(bytes.data(), reduction); });
}

void bulk_commit() {
  ++Engine::get().asynchrony().state(*current).bulk_group;
}

void bulk_wait(uint32_t newest, bool read_only, const Site &site) {
  Engine &engine = Engine::get();
  engine.maybe_yield();
  Thread &thread = *current;
  ThreadState &state = engine.asynchrony().state(thread);
  for (;;) {
    bool complete = true;
    while (!state.bulk.empty() && state.bulk.front().done && state.bulk.front().group < state.bulk_group) {
      acquire_agent(thread, state.bulk.front().agent);
      state.bulk.pop_front();
    }
    for (const BulkOperation &operation : state.bulk) {
      if (operation.group + newest >= state.bulk_group)
        continue;
      if (read_only ? operation.read_done : operation.done)
        acquire_agent(thread, operation.agent);
      else
        complete = false;
    }
    if (complete)
      return;
    engine.wait(Wait{describe_wait, site, kWaitsForBulk});
  }
}

} // namespace aios::sim

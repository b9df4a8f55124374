#include "engine.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "../instructions/asynchrony.h"
#include "device.h"
#include "registers.h"
#include "report.h"
#include "signals.h"
#include "sync.h"

constinit thread_local aios::sim::Dim3 threadIdx{0, 0, 0}, blockIdx{0, 0, 0}, blockDim, gridDim;

namespace aios::sim {

constinit thread_local Thread *current = nullptr;

namespace {

/// Unwinds the fiber that has found a fault, so that nothing leaks. It never leaves the fiber; the others are forgotten
/// where they wait.
struct Stopped {};

constexpr unsigned kFreezeMagnitude = 11; // epochs of up to 2^12 steps

} // namespace

Engine::Engine() : fibers_(&Engine::fiber_entry), asynchrony_(std::make_unique<Asynchrony>()) {
  adopt_thread(main_);
}

Engine::~Engine() = default;

Engine &Engine::get() {
  // A pointer, because the system keeps little room for the thread-local memory of all libraries together.
  static thread_local const std::unique_ptr<Engine> engine = std::make_unique<Engine>();
  return *engine;
}

Outcome run_grid(const Launch &launch) {
  clear_upper_registers();
  SignalGuard guard;
  return Engine::get().run(launch);
}

Outcome Engine::run(const Launch &launch) {
  outcome_ = Outcome{};
  launch_ = &launch;
  if (!check(launch))
    return std::move(outcome_);
  random_ = Random(launch.seed);
  now_ = 0;
  uint64_t cluster = launch.cooperative ? launch.grid.volume() : launch.cluster.volume();
  uint64_t groups = launch.grid.volume() / cluster;
  auto block_threads = static_cast<uint32_t>(launch.block.volume());
  uint32_t block_warps = (block_threads + kWarpSize - 1) / kWarpSize;
  while (blocks_.size() < cluster)
    blocks_.push_back(std::make_unique<Block>());
  blocks_.resize(cluster);
  threads_.resize(cluster * block_threads);
  warps_.resize(cluster * block_warps);
  ::blockDim = launch.block;
  ::gridDim = launch.grid;
  outcome_.counters.threads = groups * threads_.size();

  // Blocks one after the other, in an order that the seed chooses; a group's number steps through all of them.
  uint64_t at = random_.next() % groups, step = 1 + random_.next() % groups;
  while (std::gcd(step, groups) != 1)
    step = 1 + random_.next() % groups;
  for (uint64_t i = 0; i < groups && outcome_.ok; ++i, at = (at + step) % groups)
    run_group(at);
  launch_ = nullptr;
  return std::move(outcome_);
}

bool Engine::check(const Launch &launch) {
  auto refuse = [&](const std::string &what) {
    outcome_.ok = false;
    outcome_.fault = Fault::configuration;
    outcome_.message = std::string(launch.name) + ": " + what;
    return false;
  };
  const Dim3 &grid = launch.grid, &block = launch.block, &cluster = launch.cluster;
  if (grid.volume() == 0 || grid.x > 0x7fffffffu || grid.y > 65535 || grid.z > 65535)
    return refuse("a grid of " + triple(grid) + " blocks is outside the device's limits");
  if (block.volume() == 0 || block.volume() > kMaxBlockThreads || block.x > 1024 || block.y > 1024 || block.z > 64)
    return refuse("a block of " + triple(block) + " threads is outside the device's limits");
  if (launch.shared_bytes > kMaxSharedBytes)
    return refuse(std::to_string(launch.shared_bytes) + " bytes of shared memory are more than a block may have");
  if (cluster.volume() == 0 || cluster.volume() > kMaxClusterBlocks || grid.x % cluster.x != 0 ||
      grid.y % cluster.y != 0 || grid.z % cluster.z != 0)
    return refuse("clusters of " + triple(cluster) + " blocks do not divide a grid of " + triple(grid));
  if (launch.cooperative && (cluster.volume() != 1 || grid.volume() * block.volume() > 132 * 2048))
    return refuse("a cooperative launch of " + triple(grid) + " blocks does not fit onto the device");
  return true;
}

void Engine::begin_block(Block &block, uint64_t group) {
  const Launch &launch = *launch_;
  Dim3 extent = launch.cooperative ? launch.grid : launch.cluster;
  auto place = [](uint64_t number, const Dim3 &counts) {
    return Dim3(static_cast<unsigned>(number % counts.x), static_cast<unsigned>(number / counts.x % counts.y),
                static_cast<unsigned>(number / counts.x / counts.y));
  };
  Dim3 groups(launch.grid.x / extent.x, launch.grid.y / extent.y, launch.grid.z / extent.z);
  Dim3 corner = place(group, groups), inside = place(block.rank, extent);
  block.index = Dim3(corner.x * extent.x + inside.x, corner.y * extent.y + inside.y, corner.z * extent.z + inside.z);

  auto count = static_cast<uint32_t>(launch.block.volume());
  uint32_t warp_count = (count + kWarpSize - 1) / kWarpSize;
  block.alive = count;
  block.threads = &threads_[block.rank * count];
  block.warps = &warps_[block.rank * warp_count];
  block.warp_count = warp_count;
  for (uint32_t w = 0; w < warp_count; ++w) {
    uint32_t lanes = std::min(count - w * kWarpSize, kWarpSize);
    Warp &warp = block.warps[w];
    warp.block = &block;
    warp.threads = block.threads + w * kWarpSize;
    warp.index = w;
    warp.lanes = warp.alive = lanes == kWarpSize ? ~0u : (1u << lanes) - 1;
    warp.frozen_until = 0;
    warp.meetings.clear();
  }
  Dim3 index(0, 0, 0);
  for (uint32_t i = 0; i < count; ++i) {
    Thread &thread = block.threads[i];
    thread.index = index;
    thread.id = block.rank * count + i;
    thread.rank = i;
    thread.lane = i % kWarpSize;
    thread.block = &block;
    thread.warp = &block.warps[i / kWarpSize];
    thread.fiber = nullptr;
    thread.state = State::fresh;
    if (++index.x == launch.block.x) {
      index.x = 0;
      if (++index.y == launch.block.y) {
        index.y = 0;
        ++index.z;
      }
    }
  }
  if (block.busy_barriers != 0) // a launch that was given up in the middle
    for (Barrier &barrier : block.barriers)
      barrier = Barrier{};
  block.busy_barriers = 0;
  if (!keeps_clocks())
    return;
  for (uint32_t i = 0; i < count; ++i) {
    block.threads[i].time = 1;
    block.threads[i].knowledge = Knowledge{};
  }
  if (!block.shared)
    block.shared = std::make_unique<SharedWindow>();
  block.shared->begin(launch.shared_bytes);
}

bool Engine::run_group(uint64_t group) {
  for (uint32_t i = 0; i < blocks_.size(); ++i) {
    blocks_[i]->rank = i;
    begin_block(*blocks_[i], group);
  }
  asynchronous_ = false;
  auto count = static_cast<uint32_t>(threads_.size());
  fresh_ = unfinished_ = count;
  fresh_at_ = random_.below(count);
  do
    fresh_step_ = 1 + random_.below(count);
  while (std::gcd(fresh_step_, count) != 1);
  ready_.clear();
  events_.clear();
  next_freeze_ = now_;

  running_ = fibers_.take();
  switch_context(main_, running_->context);
  if (faulted_)
    report_fault();
  select(nullptr);
  outcome_.counters.bank_conflicts += conflicts_.finish();
  if (!outcome_.ok)
    fibers_.restart();
  return outcome_.ok;
}

void Engine::fiber_entry() {
  entered();
  Engine &engine = Engine::get();
  try {
    engine.work();
  } catch (const Stopped &) {
  }
  switch_context(engine.running_->context, engine.main_);
  __builtin_unreachable();
}

void Engine::work() {
  for (;;) {
    Thread *thread = chosen_ != nullptr ? chosen_ : next();
    chosen_ = nullptr;
    if (thread == nullptr || thread->fiber != nullptr) {
      fibers_.give(running_);
      switch_to(thread);
      continue;
    }
    thread->fiber = running_;
    select(thread);
    launch_->body();
    finish_thread();
  }
}

void Engine::select(Thread *thread) {
  current = thread;
  if (thread != nullptr) {
    ::threadIdx = thread->index;
    ::blockIdx = thread->block->index;
  }
}

void Engine::finish_thread() {
  Thread &thread = *current;
  thread.state = State::done;
  --unfinished_;
  thread.warp->alive &= ~(1u << thread.lane);
  --thread.block->alive;
  if (!thread.warp->meetings.empty())
    leave_warp(thread);
  leave_block(thread);
  if (asynchronous_) {
    asynchrony_->leave(thread);
    if (thread.block->alive == 0)
      asynchrony_->leave(*thread.block);
  }
  thread.fiber = nullptr;
}

void Engine::switch_to(Thread *thread) {
  ++outcome_.counters.switches;
  Context &from = running_->context;
  if (thread == nullptr) {
    switch_context(from, main_);
    return;
  }
  if (thread->fiber == nullptr) {
    chosen_ = thread;
    running_ = fibers_.take();
  } else {
    running_ = thread->fiber;
    select(thread);
  }
  switch_context(from, running_->context);
}

Asynchrony &Engine::asynchrony() {
  if (!asynchronous_) {
    asynchronous_ = true;
    asynchrony_->begin();
  }
  return *asynchrony_;
}

void Engine::wait(const Wait &wait) {
  Thread *self = current;
  self->state = State::waiting;
  self->wait = wait;
  Thread *thread = next();
  if (thread != self)
    switch_to(thread);
}

void Engine::wake(Thread &thread) {
  thread.state = State::ready;
  ready_.push_back(&thread);
}

void Engine::maybe_yield() {
  if (unfinished_ == 1 || random_.below(4) != 0)
    return;
  Thread *self = current;
  wake(*self);
  Thread *thread = next();
  if (thread != self)
    switch_to(thread);
}

void Engine::after(uint64_t delay, std::function<void()> action) {
  events_.push_back(Event{now_ + delay, event_order_++, std::move(action)});
  std::push_heap(events_.begin(), events_.end());
}

void Engine::deliver() {
  if (events_.empty() || events_.front().due > now_)
    return;
  Thread *self = std::exchange(current, nullptr); // what happens now is nobody's doing
  while (!events_.empty() && events_.front().due <= now_) {
    std::pop_heap(events_.begin(), events_.end());
    std::function<void()> action = std::move(events_.back().action);
    events_.pop_back();
    action();
  }
  current = self;
}

void Engine::freeze_some() {
  next_freeze_ = now_ + random_.delay(kFreezeMagnitude);
  warps_[random_.below(static_cast<uint32_t>(warps_.size()))].frozen_until = now_ + random_.delay(kFreezeMagnitude);
}

Thread *Engine::take_fresh() {
  Thread *thread = &threads_[fresh_at_];
  fresh_at_ = static_cast<uint32_t>((static_cast<uint64_t>(fresh_at_) + fresh_step_) % threads_.size());
  --fresh_;
  return thread;
}

Thread *Engine::next() {
  ++now_;
  deliver();
  while (ready_.empty()) {
    if (fresh_ > 0)
      return take_fresh();
    if (unfinished_ == 0)
      return nullptr;
    if (events_.empty())
      report_deadlock();
    now_ = std::max(now_, events_.front().due);
    deliver();
  }
  if (now_ >= next_freeze_)
    freeze_some();
  auto count = static_cast<uint32_t>(ready_.size());
  uint32_t at = 0;
  for (int attempt = 0; attempt < 4; ++attempt) {
    at = random_.below(count + (fresh_ > 0 ? 1 : 0));
    if (at == count)
      return take_fresh();
    if (ready_[at]->warp->frozen_until <= now_)
      break;
  }
  Thread *thread = ready_[at];
  ready_[at] = ready_.back();
  ready_.pop_back();
  return thread;
}

void Engine::stop(Fault fault, std::string message) {
  outcome_.ok = false;
  outcome_.fault = fault;
  outcome_.message = std::move(message);
  throw Stopped{};
}

bool Engine::stop_from_signal(const void *address, void *machine_context) {
  if (launch_ == nullptr || faulted_)
    return false;
  faulted_ = true;
  fault_address_ = address;
  continue_from_signal(running_->context, main_, machine_context);
  return true;
}

void Engine::report_fault() {
  faulted_ = false;
  char text[256];
  if (fibers_.is_guard(fault_address_))
    std::snprintf(text, sizeof text, "the stack of a thread overflowed");
  else
    std::snprintf(text, sizeof text, "the address %p may not be accessed", fault_address_);
  outcome_.ok = false;
  outcome_.fault = Fault::address;
  outcome_.message = report_text(Fault::address, Site{}, text);
}

} // namespace aios::sim

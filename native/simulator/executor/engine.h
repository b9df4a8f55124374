// The scheduler: runs the threads of one group (a block, or the blocks of a cluster) on fibers of the calling OS
// thread.
//
// A thread runs as a plain call until it must wait; only then another fiber takes over. A kernel that never waits
// therefore runs all its threads on one fiber. Whoever waits or ends chooses who is next: a random one of those that
// can go on, among them those that have not begun yet.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "conflicts.h"
#include "grid.h"
#include "random.h"
#include "thread.h"

namespace aios::sim {

class Asynchrony;

class Engine {
public:
  Engine();
  ~Engine();
  Engine(const Engine &) = delete;
  Engine &operator=(const Engine &) = delete;

  /// The calling OS thread's engine.
  static Engine &get();

  Outcome run(const Launch &launch);

  const Launch &launch() const { return *launch_; }
  Counters &counters() { return outcome_.counters; }
  ConflictCounter &conflicts() { return conflicts_; }
  Random &random() { return random_; }
  uint64_t now() const { return now_; }
  uint32_t thread_count() const { return static_cast<uint32_t>(threads_.size()); }
  Thread &thread(uint32_t id) { return threads_[id]; }
  uint32_t block_count() const { return static_cast<uint32_t>(blocks_.size()); }
  Block &block(uint32_t rank) { return *blocks_[rank]; }
  /// Whether accesses to shared memory must be ordered, and clocks therefore kept.
  bool keeps_clocks() const { return launch_->shared_bytes > 0; }

  /// What is in flight for the group.
  Asynchrony &asynchrony();

  /// Suspends the current thread until somebody calls `wake` for it.
  void wait(const Wait &wait);
  void wake(Thread &thread);

  /// Lets others run first, now and then.
  void maybe_yield();

  /// Calls `action` after `delay` steps of the scheduler.
  void after(uint64_t delay, std::function<void()> action);

  /// Stops the launch. Called on a fiber.
  [[noreturn]] void stop(Fault fault, std::string message);

  /// For the handler of invalid memory accesses: whether it was a simulated thread's, and has become a report.
  bool stop_from_signal(const void *address, void *machine_context);

private:
  struct Event {
    uint64_t due, order;
    std::function<void()> action;
    bool operator<(const Event &other) const { return due != other.due ? due > other.due : order > other.order; }
  };

  static void fiber_entry();
  bool check(const Launch &launch);
  bool run_group(uint64_t group);
  void begin_block(Block &block, uint64_t group);
  void work();
  void finish_thread();
  Thread *next();
  Thread *take_fresh();
  void switch_to(Thread *thread);
  void deliver();
  void freeze_some();
  [[noreturn]] void report_deadlock();
  void report_fault();
  void select(Thread *thread);

  const Launch *launch_ = nullptr;
  Outcome outcome_;
  ConflictCounter conflicts_;
  Random random_;
  FiberPool fibers_;
  Context main_;
  Fiber *running_ = nullptr;
  Thread *chosen_ = nullptr; // a fresh one for the fiber that is switched to
  std::unique_ptr<Asynchrony> asynchrony_;
  std::vector<std::unique_ptr<Block>> blocks_;
  std::vector<Thread> threads_;
  std::vector<Warp> warps_;
  std::vector<Thread *> ready_;
  std::vector<Event> events_;
  uint64_t now_ = 0, event_order_ = 0, next_freeze_ = 0;
  // Fresh threads are started in the order first, first + step, ... modulo their number.
  uint32_t fresh_ = 0, fresh_at_ = 0, fresh_step_ = 1;
  uint32_t unfinished_ = 0;
  bool asynchronous_ = false; // whether anything of asynchrony_ has been used by this group
  bool faulted_ = false;
  const void *fault_address_ = nullptr;
};

/// The thread that runs now on this OS thread, or null.
extern constinit thread_local Thread *current [[gnu::tls_model("initial-exec")]];

} // namespace aios::sim

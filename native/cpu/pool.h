// The process's workers. Each runs the commands of a stream that has work (it "drains" it) or helps with the tasks of
// another worker's command; with neither it spins for some microseconds and then sleeps.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

#include <pthread.h>
#include <sched.h>

#include "aios.h"
#include "ready_queue.h"

namespace aios::cpu {

constexpr int kMaxThreads = 1024;

using Task = void (*)(const void *body, int64_t task, int worker);

/// The parallel loop of one worker's command. It lives as long as the pool, so that a late helper never sees freed
/// memory; one that takes no task touches nothing but `untaken_`. What a helper needs to begin lies in one line.
class alignas(128) Job {
public:
  /// Runs all tasks on the calling worker and whoever helps; returns when the last one is done.
  void run(int64_t tasks, Task call, const void *body, int worker);

  /// Takes tasks until none is left or a stream waits for a worker; false when there was nothing to do.
  bool help(int worker);

  /// True while there are tasks to take.
  bool open() const { return untaken_.load() > 0; }

private:
  void await_helpers();

  std::atomic<int64_t> untaken_{0}; // below zero when more were asked for than there are
  Task call_ = nullptr;
  const void *body_ = nullptr;
  int64_t tasks_ = 0;
  alignas(128) std::atomic<uint64_t> helped_{0}; // tasks that helpers have done, of all loops so far
  std::atomic<uint32_t> owner_sleeps_{0};
  alignas(128) uint64_t taken_by_helpers_ = 0; // the owner's: what `helped_` comes to
};

/// One thread of the pool.
class Worker {
public:
  enum State : uint32_t { Busy, Spinning, Sleeping, Waking };

  int id = 0;
  Job job;
  alignas(128) std::atomic<uint32_t> state{
      Busy};                 // the worker's, but whoever wakes it makes Waking and Busy of Sleeping
  bool placed_apart = false; // woken away from its waker's core: its affinity mask is not whole
  void *scratch = nullptr;
  pthread_t thread{};
};

class Pool {
public:
  static Pool &instance();

  /// Workers that run, or that will run once there is work.
  int threads() const { return threads_.load(std::memory_order_relaxed); }

  /// True when every worker has a core to itself, as far as can be known: then waiting begins with looking for a while.
  /// Where workers share cores, whoever looks takes the time of somebody who works.
  bool spins() const { return spins_.load(std::memory_order_relaxed); }

  /// Replaces the workers. The caller has seen to it that the streams are idle.
  aios_status set_threads(int threads);

  /// Starts the workers unless they run.
  aios_status start();

  /// Ends and joins the workers, after the command that each is running, for good: the library is going away.
  void close();

  /// Hands a stream to some worker. The stream has work, and no worker has it.
  void push_ready(aios_stream stream);

  /// Makes a loop with `tasks` tasks to take known to the other workers.
  void announce(Job &job, int64_t tasks);

  bool streams_wait() const { return !ready_.empty(); }

  /// True when a stream waits that is more urgent than one of this level.
  bool urgent_streams_wait(int level) const { return ready_.has_above(level); }
  bool stopping() const { return stopping_.load(std::memory_order_relaxed); }

  Worker &worker(int id) { return *workers_[id].load(std::memory_order_relaxed); }

private:
  static void *thread_main(void *worker);
  static void before_fork();
  static void after_fork_in_parent();
  static void after_fork_in_child();

  Pool();
  void work(Worker &self);
  aios_stream pop_ready();
  bool help_someone(int id);
  void idle(Worker &self);
  bool anything_to_do();
  void wake(int wanted, bool apart);
  void place_apart(Worker &sleeper) const;

  aios_status start_locked();
  void stop_locked();

  std::mutex lifecycle_;
  std::atomic<bool> started_{false};
  std::atomic<bool> stopping_{false};
  std::atomic<bool> spins_{false};
  std::atomic<int> threads_{1};
  bool closed_ = false;
  cpu_set_t affinity_{}; // of the process when the workers started; empty when they need no placing
  std::atomic<Worker *> workers_[kMaxThreads]{}; // made when first needed and never freed

  // What a worker without work looks at. These lines change seldom, so that looking costs no traffic between cores.
  ReadyQueue ready_;
  std::atomic<int> sleepers_{0};
  std::atomic<Job *> recent_{nullptr}; // the loop that was announced last
};

/// Tells the processor that this is a spin loop.
inline void spin_pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

} // namespace aios::cpu

// The process's workers. Each runs the commands of a stream that has work (it "drains" it) or helps with the tasks of
// another worker's command; with neither it spins for some microseconds and then sleeps.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

#include <pthread.h>

#include "aios.h"

namespace aios::cpu {

constexpr int kMaxThreads = 1024;

using Task = void (*)(const void *body, int64_t task, int worker);

/// The parallel loop of one worker's command. It lives as long as the pool, so that a late helper never sees freed
/// memory. `state` holds the open bit, a bit that says that the owner sleeps, and the number of helpers inside.
class alignas(128) Job {
public:
  /// Runs all tasks on the calling worker and whoever helps; returns when the last one is done.
  void run(int64_t tasks, Task call, const void *body, int worker);

  /// Takes tasks until none is left or a stream waits for a worker; false when there was nothing to do.
  bool help(int worker);

  /// True between the start and the end of `run`.
  bool busy() const { return (state_.load(std::memory_order_relaxed) & kOpen) != 0; }

private:
  static constexpr uint32_t kOpen = 1u << 31;
  static constexpr uint32_t kOwnerSleeps = 1u << 30;
  static constexpr uint32_t kHelpers = kOwnerSleeps - 1;

  void await_helpers();

  std::atomic<uint32_t> state_{0};
  Task call_ = nullptr;
  const void *body_ = nullptr;
  int64_t tasks_ = 0;
  alignas(128) std::atomic<int64_t> next_{0};
};

/// One thread of the pool.
class Worker {
public:
  int id = 0;
  Job job;
  void *scratch = nullptr;
  pthread_t thread{};
};

class Pool {
public:
  static Pool &instance();

  /// Workers that run, or that will run once there is work.
  int threads() const { return threads_.load(std::memory_order_relaxed); }

  /// Replaces the workers. The caller has seen to it that the streams are idle.
  aios_status set_threads(int threads);

  /// Starts the workers unless they run.
  aios_status start();

  /// Ends and joins the workers, after the command that each is running, for good: the library is going away.
  void close();

  /// Hands a stream to some worker. The stream has work, and no worker has it.
  void push_ready(aios_stream stream);

  /// Tells up to `wanted` workers that there is something to do.
  void announce(int wanted);

  bool streams_wait() const { return ready_count_.load(std::memory_order_relaxed) > 0; }
  bool stopping() const { return stopping_.load(std::memory_order_relaxed); }

  Worker &worker(int id) { return workers_[id]; }

private:
  static void *thread_main(void *worker);
  static void before_fork();
  static void after_fork_in_parent();
  static void after_fork_in_child();

  Pool();
  void work(Worker &self);
  aios_stream pop_ready();
  bool help_someone(int id);
  void await_announcement(uint32_t seen);

  aios_status start_locked();
  void stop_locked();

  std::mutex lifecycle_;
  std::atomic<bool> started_{false};
  std::atomic<bool> stopping_{false};
  std::atomic<int> threads_{1};
  bool closed_ = false;
  Worker *workers_ = nullptr;

  std::mutex ready_mutex_;
  aios_stream ready_head_ = nullptr;
  aios_stream ready_tail_ = nullptr;
  std::atomic<int> ready_count_{0};

  // A worker that found nothing to do waits for the next announcement; the two counts spare the system call when
  // somebody is still spinning.
  alignas(128) std::atomic<uint32_t> announcements_{0};
  std::atomic<int> spinning_{0};
  std::atomic<int> sleeping_{0};
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

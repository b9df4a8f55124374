// What an op file needs to run on the CPU device: errors, enqueuing and the workers of a command.
//
// A launcher checks its arguments, then calls `enqueue` with a small trivially copyable body (usually a lambda that
// captures by value). The body runs later on a worker and spreads its work with Team::parallel_for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "../common/status.h"
#include "aios.h"

namespace aios {

namespace cpu {
class Worker;
struct Command;
} // namespace cpu

/// Largest body of `enqueue`, in bytes: the fixed payload of a command slot.
constexpr size_t kCommandBytes = 768;

/// Bytes of the private memory that each worker keeps for kernels, see Team::scratch.
constexpr size_t kScratchBytes = size_t{2} << 20;

/// The workers that run one command.
class Team {
public:
  Team(aios_stream stream, cpu::Worker &worker) : stream_(stream), worker_(worker) {}

  /// Upper bound of the worker ids that a task can see.
  int threads() const;

  /// Calls f(int64_t task, int worker) for each task in 0 .. tasks - 1 and returns when all are done. Tasks are handed
  /// out one at a time to whichever worker is free; no two tasks run on the same worker id at once. A call from inside
  /// a task runs its tasks in place.
  template <class F> void parallel_for(int64_t tasks, const F &f) {
    run(
        tasks, [](const void *body, int64_t task, int worker) { (*static_cast<const F *>(body))(task, worker); }, &f);
  }

  /// The private memory of a worker: kScratchBytes, aligned to a huge page. Its contents do not survive the task.
  void *scratch(int worker) const;

  /// Makes the stream's sticky error, which names the function that enqueued the command; the first one wins. Any
  /// worker of the command may call it.
  [[gnu::format(printf, 3, 4)]] void fail(aios_status status, const char *format, ...);

private:
  using Task = void (*)(const void *body, int64_t task, int worker);
  void run(int64_t tasks, Task call, const void *body);

  friend aios_stream_s;

  aios_stream stream_;
  cpu::Worker &worker_;
  const cpu::Command *command_ = nullptr; // that is running
};

/// Enqueues a command whose body is copied into a slot of the stream's ring; waits for room when the ring is full.
aios_status enqueue_command(aios_stream stream, void (*run)(const void *body, Team &team), const void *body,
                            size_t bytes);

/// Enqueues body(Team &). Never allocates.
template <class F> aios_status enqueue(aios_stream stream, const F &body) {
  static_assert(std::is_trivially_copyable_v<F>, "a command is copied into the stream's ring");
  static_assert(sizeof(F) <= kCommandBytes && alignof(F) <= 64, "a command must fit its slot");
  return enqueue_command(
      stream, [](const void *f, Team &team) { (*static_cast<const F *>(f))(team); }, &body, sizeof(F));
}

/// Number of workers of the pool.
int pool_threads();

} // namespace aios

#include "pool.h"

#include <algorithm>

#include <csignal>
#include <new>

#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include "launch.h"
#include "stream.h"
#include "topology.h"

namespace aios::cpu {
namespace {

// A pause takes about 15 to 40 ns, so that a worker spins for some 20 to 50 us: longer than the gaps between the
// commands of a busy stream, too short to be felt by anyone who shares the core.
constexpr int kIdleSpins = 1200;

// A helper that is still inside when the tasks have run out is normally done within a fraction of a task.
constexpr int kBarrierSpins = 2000;
constexpr int kBarrierYields = 20;

thread_local bool inside_task = false;
thread_local int current_worker = 0;

std::atomic<bool> pool_exists{false};

void *map_scratch() {
  // Twice the size, to cut out a block that starts at a huge page. Pages that are never touched cost nothing.
  void *memory =
      mmap(nullptr, 2 * kScratchBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED)
    return nullptr;
  const uintptr_t start = reinterpret_cast<uintptr_t>(memory);
  const uintptr_t aligned = (start + kScratchBytes - 1) / kScratchBytes * kScratchBytes;
  if (aligned != start)
    munmap(memory, aligned - start);
  if (const uintptr_t tail = start + kScratchBytes - aligned; tail != 0)
    munmap(reinterpret_cast<void *>(aligned + kScratchBytes), tail);
  madvise(reinterpret_cast<void *>(aligned), kScratchBytes, MADV_HUGEPAGE);
  return reinterpret_cast<void *>(aligned);
}

/// Ends the workers when the library is unloaded or the process exits: their code must not vanish under them. A forked
/// child has none, which Pool::after_fork_in_child has recorded.
struct Unload {
  ~Unload() {
    if (pool_exists.load())
      Pool::instance().close();
  }
} unload;

} // namespace

void Job::run(int64_t tasks, Task call, const void *body, int worker) {
  call_ = call;
  body_ = body;
  tasks_ = tasks;
  next_.store(0, std::memory_order_relaxed);
  state_.fetch_or(kOpen, std::memory_order_release);
  Pool &pool = Pool::instance();
  pool.announce(static_cast<int>(std::min<int64_t>(tasks, pool.threads()) - 1));

  inside_task = true;
  for (int64_t task; (task = next_.fetch_add(1, std::memory_order_relaxed)) < tasks;)
    call(body, task, worker);
  inside_task = false;
  const uint32_t before = state_.fetch_and(~kOpen, std::memory_order_acquire);
  if ((before & kHelpers) != 0)
    await_helpers();
}

void Job::await_helpers() {
  for (int spin = 0; spin < kBarrierSpins; ++spin) {
    if ((state_.load(std::memory_order_acquire) & kHelpers) == 0)
      return;
    spin_pause();
  }
  // The helper may have lost its core to someone else; it might even need ours.
  for (int yield = 0; yield < kBarrierYields; ++yield) {
    if ((state_.load(std::memory_order_acquire) & kHelpers) == 0)
      return;
    sched_yield();
  }
  uint32_t state = state_.fetch_or(kOwnerSleeps, std::memory_order_acquire) | kOwnerSleeps;
  while ((state & kHelpers) != 0) {
    state_.wait(state, std::memory_order_acquire);
    state = state_.load(std::memory_order_acquire);
  }
  state_.fetch_and(~kOwnerSleeps, std::memory_order_relaxed);
}

bool Job::help(int worker) {
  if (!busy())
    return false;
  bool helped = false;
  // Once the count is up, the owner cannot leave before it is down again, nor start its next loop.
  if ((state_.fetch_add(1, std::memory_order_acquire) & kOpen) != 0) {
    const Pool &pool = Pool::instance();
    inside_task = true;
    for (int64_t task; (task = next_.fetch_add(1, std::memory_order_relaxed)) < tasks_;) {
      call_(body_, task, worker);
      helped = true;
      if (pool.streams_wait())
        break; // the owner goes on alone; a stream must not wait for a long loop of another
    }
    inside_task = false;
  }
  const uint32_t before = state_.fetch_sub(1, std::memory_order_release);
  if ((before & kOwnerSleeps) != 0 && (before & kHelpers) == 1)
    state_.notify_all();
  return helped;
}

Pool &Pool::instance() {
  // Never destroyed: threads of the host may still call in while the process exits.
  alignas(Pool) static unsigned char storage[sizeof(Pool)];
  static Pool *pool = new (storage) Pool;
  return *pool;
}

Pool::Pool() : threads_(usable_cores()) {
  pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
  pool_exists.store(true);
}

void Pool::before_fork() {
  instance().lifecycle_.lock();
  instance().ready_mutex_.lock();
}

void Pool::after_fork_in_parent() {
  instance().ready_mutex_.unlock();
  instance().lifecycle_.unlock();
}

void Pool::after_fork_in_child() {
  // Only the forking thread lives on. The workers start again with the child's first command; what they were doing in
  // the parent is not done in the child, so their loops, which may be half-way, are left behind too.
  Pool &pool = instance();
  pool.started_.store(false);
  pool.workers_ = nullptr;
  pool.spinning_.store(0);
  pool.sleeping_.store(0);
  after_fork_in_parent();
}

aios_status Pool::start() {
  if (started_.load(std::memory_order_acquire))
    return AIOS_STATUS_OK;
  const std::lock_guard lock(lifecycle_);
  return start_locked();
}

aios_status Pool::start_locked() {
  if (started_.load(std::memory_order_relaxed) || closed_)
    return AIOS_STATUS_OK;
  const int count = threads();
  workers_ = new (std::nothrow) Worker[static_cast<size_t>(count)];
  if (workers_ == nullptr)
    return aios::fail(AIOS_STATUS_OUT_OF_MEMORY, "no memory for %d workers", count);

  // Signals are the host's business.
  sigset_t all, previous;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &previous);
  stopping_.store(false);
  int running = 0;
  for (; running < count; ++running) {
    Worker &worker = workers_[running];
    worker.id = running;
    worker.scratch = map_scratch();
    if (worker.scratch == nullptr || pthread_create(&worker.thread, nullptr, thread_main, &worker) != 0)
      break;
  }
  pthread_sigmask(SIG_SETMASK, &previous, nullptr);
  if (running < count) {
    const int wanted = count;
    threads_.store(std::max(1, running));
    for (int id = running; id < wanted; ++id)
      if (workers_[id].scratch != nullptr)
        munmap(workers_[id].scratch, kScratchBytes);
    if (running == 0) {
      delete[] workers_;
      workers_ = nullptr;
      return aios::fail(AIOS_STATUS_OUT_OF_MEMORY, "the system gives no thread for the CPU device");
    }
  }
  started_.store(true, std::memory_order_release);
  return AIOS_STATUS_OK;
}

void Pool::close() {
  const std::lock_guard lock(lifecycle_);
  closed_ = true;
  stop_locked();
}

void Pool::stop_locked() {
  if (!started_.load(std::memory_order_relaxed))
    return;
  stopping_.store(true);
  announce(threads());
  for (int id = 0; id < threads(); ++id) {
    pthread_join(workers_[id].thread, nullptr);
    munmap(workers_[id].scratch, kScratchBytes);
  }
  delete[] workers_;
  workers_ = nullptr;
  started_.store(false);
}

aios_status Pool::set_threads(int threads) {
  const std::lock_guard lock(lifecycle_);
  if (threads == this->threads())
    return AIOS_STATUS_OK;
  stop_locked();
  threads_.store(threads);
  return start_locked();
}

void *Pool::thread_main(void *worker) {
  Worker &self = *static_cast<Worker *>(worker);
  current_worker = self.id;
  instance().work(self);
  return nullptr;
}

void Pool::work(Worker &self) {
  while (!stopping()) {
    const uint32_t seen = announcements_.load();
    if (aios_stream stream = pop_ready()) {
      stream->drain(self);
      continue;
    }
    if (help_someone(self.id))
      continue;
    await_announcement(seen);
  }
}

bool Pool::help_someone(int id) {
  const int count = threads();
  for (int step = 1; step < count; ++step)
    if (workers_[(id + step) % count].job.help(id))
      return true;
  return false;
}

void Pool::await_announcement(uint32_t seen) {
  spinning_.fetch_add(1);
  bool news = false;
  for (int spin = 0; spin < kIdleSpins && !(news = announcements_.load() != seen); ++spin)
    spin_pause();
  spinning_.fetch_sub(1);
  if (news)
    return;
  // Whoever announces after this either sees the sleeper or changes the count before the sleep begins.
  sleeping_.fetch_add(1);
  announcements_.wait(seen);
  sleeping_.fetch_sub(1);
}

void Pool::announce(int wanted) {
  if (wanted <= 0)
    return;
  announcements_.fetch_add(1);
  const int missing = wanted - spinning_.load();
  if (missing <= 0 && !stopping())
    return;
  if (sleeping_.load() == 0)
    return;
  if (missing == 1)
    announcements_.notify_one();
  else
    announcements_.notify_all();
}

void Pool::push_ready(aios_stream stream) {
  start(); // a forked child has no workers yet; when this fails, the stream waits for a later start
  stream->next_ready = nullptr;
  {
    const std::lock_guard lock(ready_mutex_);
    (ready_tail_ == nullptr ? ready_head_ : ready_tail_->next_ready) = stream;
    ready_tail_ = stream;
    ready_count_.fetch_add(1);
  }
  announce(1);
}

aios_stream Pool::pop_ready() {
  if (ready_count_.load() == 0)
    return nullptr;
  const std::lock_guard lock(ready_mutex_);
  aios_stream stream = ready_head_;
  if (stream != nullptr) {
    ready_head_ = stream->next_ready;
    if (ready_head_ == nullptr)
      ready_tail_ = nullptr;
    ready_count_.fetch_sub(1);
  }
  return stream;
}

} // namespace aios::cpu

namespace aios {

int Team::threads() const {
  return cpu::Pool::instance().threads();
}

void *Team::scratch(int worker) const {
  return cpu::Pool::instance().worker(worker).scratch;
}

void Team::run(int64_t tasks, Task call, const void *body) {
  const bool alone = tasks <= 1 || threads() == 1 || cpu::inside_task;
  if (!alone) {
    worker_.job.run(tasks, call, body, worker_.id);
    return;
  }
  for (int64_t task = 0; task < tasks; ++task)
    call(body, task, cpu::current_worker);
}

int pool_threads() {
  return cpu::Pool::instance().threads();
}

} // namespace aios

#include "pool.h"

#include <algorithm>

#include <csignal>
#include <new>

#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include "futex.h"
#include "launch.h"
#include "placement.h"
#include "stream.h"

namespace aios::cpu {
namespace {

// A pause takes about 15 to 40 ns, so that a worker spins for some 20 to 50 us: longer than the gaps between the
// commands of a busy stream, too short to be felt by anyone who shares the core.
constexpr int kIdleSpins = 1200;
constexpr int kScanInterval = 32;

// A helper that is still inside when the tasks have run out is normally done within a fraction of a task.
constexpr int kBarrierSpins = 2000;
constexpr int kBarrierYields = 20;

// Two words fit the room that the C library keeps for libraries loaded later, and spare every loop a call.
[[gnu::tls_model("initial-exec")]] thread_local bool inside_task = false;
[[gnu::tls_model("initial-exec")]] thread_local int current_worker = 0;

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
  // The first task is the owner's. Not sequentially consistent, so that it begins at once: a worker that goes to sleep
  // at this very moment may miss the loop, which only means one helper less.
  untaken_.store(tasks - 1, std::memory_order_release);
  Pool &pool = Pool::instance();
  pool.announce(*this, tasks - 1);

  inside_task = true;
  int64_t own = 1;
  call(body, 0, worker);
  // With no more tasks than workers, helpers have normally taken the rest by now: looking first leaves them the line.
  if (tasks > pool.threads() || open())
    for (int64_t left; (left = untaken_.fetch_sub(1, std::memory_order_relaxed)) > 0; ++own)
      call(body, tasks - left, worker);
  inside_task = false;
  taken_by_helpers_ += static_cast<uint64_t>(tasks - own);
  if (helped_.load(std::memory_order_acquire) != taken_by_helpers_)
    await_helpers();
}

void Job::await_helpers() {
  const auto done = [this] { return helped_.load() == taken_by_helpers_; };
  if (Pool::instance().spins()) {
    for (int spin = 0; spin < kBarrierSpins; ++spin) {
      if (done())
        return;
      spin_pause();
    }
    // The helper may have lost its core to someone else; it might even need ours.
    for (int yield = 0; yield < kBarrierYields; ++yield) {
      if (done())
        return;
      sched_yield();
    }
  }
  // Either the helper that is done sees that the owner sleeps, or the owner sees that it is done.
  owner_sleeps_.store(1);
  while (!done()) {
    futex_wait(owner_sleeps_, 1);
    owner_sleeps_.store(1);
  }
  owner_sleeps_.store(0);
}

bool Job::help(int worker) {
  if (!open())
    return false;
  const Pool &pool = Pool::instance();
  uint64_t done = 0;
  inside_task = true;
  // Whoever has taken a task keeps the owner in its loop until that task is done; before, nothing but the count is
  // safe.
  for (int64_t left; (left = untaken_.fetch_sub(1, std::memory_order_acquire)) > 0;) {
    call_(body_, tasks_ - left, worker);
    ++done;
    // The owner, which may wait already, hears of the last task at once. And it goes on alone when a stream waits for a
    // worker: that must not last as long as the loop of another.
    if (left == 1 || pool.streams_wait())
      break;
  }
  inside_task = false;
  if (done == 0)
    return false;
  helped_.fetch_add(done);
  if (owner_sleeps_.load() != 0 && owner_sleeps_.exchange(0) != 0)
    futex_wake(owner_sleeps_);
  return true;
}

Pool &Pool::instance() {
  // Never destroyed: threads of the host may still call in while the process exits.
  alignas(Pool) static unsigned char storage[sizeof(Pool)];
  static Pool *pool = new (storage) Pool;
  return *pool;
}

Pool::Pool() : threads_(default_workers()) {
  pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
  pool_exists.store(true);
}

void Pool::before_fork() {
  instance().lifecycle_.lock();
  hold_streams();
  instance().ready_.lock();
}

void Pool::after_fork_in_parent() {
  instance().ready_.unlock();
  let_streams_go();
  instance().lifecycle_.unlock();
}

void Pool::after_fork_in_child() {
  // Only the forking thread lives on. The workers start again with the child's first command; what they were doing in
  // the parent is not done in the child, so their loops, which may be half-way, are left behind too.
  Pool &pool = instance();
  pool.started_.store(false);
  for (std::atomic<Worker *> &worker : pool.workers_)
    worker.store(nullptr);
  pool.sleepers_.store(0);
  pool.recent_.store(nullptr);
  forget_drainers();
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
  const int wanted = threads();
  for (int id = 0; id < wanted; ++id) {
    if (workers_[id].load() != nullptr)
      continue;
    auto *worker = new (std::nothrow) Worker;
    if (worker == nullptr)
      return aios::fail(AIOS_STATUS_OUT_OF_MEMORY, "no memory for %d workers", wanted);
    worker->id = id;
    workers_[id].store(worker);
  }

  // Signals are the host's business. But a callback may run the host's code, whose runtime may count on those that a
  // fault raises, and on SIGRTMIN to stop its threads.
  sigset_t all, previous;
  sigfillset(&all);
  for (int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGRTMIN})
    sigdelset(&all, signal);
  pthread_sigmask(SIG_SETMASK, &all, &previous);
  stopping_.store(false);
  spins_.store(has_cores_for(wanted));
  if (!spins() || sched_getaffinity(0, sizeof affinity_, &affinity_) != 0)
    CPU_ZERO(&affinity_);
  int running = 0;
  for (; running < wanted; ++running) {
    Worker &self = worker(running);
    self.scratch = map_scratch();
    if (self.scratch == nullptr)
      break;
    if (pthread_create(&self.thread, nullptr, thread_main, &self) != 0) {
      munmap(self.scratch, kScratchBytes);
      break;
    }
  }
  pthread_sigmask(SIG_SETMASK, &previous, nullptr);
  if (running == 0)
    return aios::fail(AIOS_STATUS_OUT_OF_MEMORY, "the system gives no thread for the CPU device");
  threads_.store(running);
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
  wake(threads(), false);
  for (int id = 0; id < threads(); ++id) {
    pthread_join(worker(id).thread, nullptr);
    munmap(worker(id).scratch, kScratchBytes);
  }
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
    if (aios_stream stream = pop_ready())
      stream->drain(self);
    else if (!help_someone(self.id))
      idle(self);
  }
}

bool Pool::help_someone(int id) {
  if (Job *recent = recent_.load(std::memory_order_relaxed); recent != nullptr && recent->help(id))
    return true;
  const int count = threads();
  for (int step = 1; step < count; ++step)
    if (worker((id + step) % count).job.help(id))
      return true;
  return false;
}

bool Pool::anything_to_do() {
  if (!ready_.empty_in_order() || stopping_.load())
    return true;
  for (int id = 0; id < threads(); ++id)
    if (worker(id).job.open())
      return true;
  return false;
}

void Pool::idle(Worker &self) {
  if (spins()) {
    self.state.store(Worker::Spinning);
    for (int spin = 0; spin < kIdleSpins; ++spin) {
      // Most loops are those of one stream, so one worker's; the others are looked for now and then.
      const Job *recent = recent_.load(std::memory_order_relaxed);
      if ((recent != nullptr && recent->open()) || streams_wait() || (spin % kScanInterval == 0 && anything_to_do())) {
        self.state.store(Worker::Busy, std::memory_order_release);
        return;
      }
      spin_pause();
    }
  }
  // Whoever has work for this worker either sees that it sleeps, or has made the work known before it looks once more.
  sleepers_.fetch_add(1);
  self.state.store(Worker::Sleeping);
  if (anything_to_do()) {
    uint32_t sleeping = Worker::Sleeping;
    if (self.state.compare_exchange_strong(sleeping, Worker::Busy)) {
      sleepers_.fetch_sub(1);
      return;
    }
  }
  for (uint32_t state; (state = self.state.load()) != Worker::Busy;)
    futex_wait(self.state, state);
  if (self.placed_apart) {
    self.placed_apart = false;
    sched_setaffinity(0, sizeof affinity_, &affinity_);
  }
}

void Pool::announce(Job &job, int64_t tasks) {
  if (recent_.load(std::memory_order_relaxed) != &job)
    recent_.store(&job, std::memory_order_relaxed);
  if (sleepers_.load(std::memory_order_relaxed) > 0)
    wake(static_cast<int>(std::min<int64_t>(tasks, threads() - 1)), true);
}

/// Wakes as many workers as it takes for `wanted` to look for work; those that spin do so already. Any thread may call
/// it at any time: workers may be starting or ending, but what describes them stays. `apart`: away from the calling
/// thread, which goes on working; one that is about to wait leaves its core, to which waking somebody costs least.
void Pool::wake(int wanted, bool apart) {
  const int count = threads();
  if (!stopping())
    for (int id = 0; id < count; ++id)
      if (const Worker *other = workers_[id].load(); other != nullptr && other->state.load() == Worker::Spinning)
        --wanted;
  for (int id = 0; id < count && wanted > 0 && sleepers_.load() > 0; ++id) {
    Worker *other = workers_[id].load();
    uint32_t sleeping = Worker::Sleeping;
    if (other == nullptr || !other->state.compare_exchange_strong(sleeping, Worker::Waking))
      continue;
    sleepers_.fetch_sub(1);
    if (apart)
      place_apart(*other);
    other->state.store(Worker::Busy);
    futex_wake(other->state);
    --wanted;
  }
}

/// Keeps a worker from waking on the core of the calling thread, which is busy: the system likes to put it there, and
/// then takes milliseconds to notice. Only its next wake-up is steered; it takes its whole mask back as soon as it
/// runs.
void Pool::place_apart(Worker &sleeper) const {
  cpu_set_t others = affinity_;
  if (const int here = sched_getcpu(); here >= 0 && here < CPU_SETSIZE)
    CPU_CLR(static_cast<size_t>(here), &others);
  if (CPU_COUNT(&others) > 0)
    sleeper.placed_apart = pthread_setaffinity_np(sleeper.thread, sizeof others, &others) == 0;
}

void Pool::push_ready(aios_stream stream) {
  start(); // a forked child has no workers yet; when this fails, the stream waits for a later start
  ready_.push(stream);
  if (sleepers_.load() > 0)
    wake(1, false);
}

aios_stream Pool::pop_ready() {
  bool more = false;
  aios_stream stream = ready_.pop(more);
  // Both streams may have counted on this worker, which has its hands full with the first.
  if (more && sleepers_.load() > 0)
    wake(1, false);
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

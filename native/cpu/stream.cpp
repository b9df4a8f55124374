#include "stream.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#include "aios_cpu.h"
#include "futex.h"
#include "pool.h"

using aios::cpu::futex_wait;
using aios::cpu::futex_wake;
using aios::cpu::Pool;
using aios::cpu::Slot;
using aios::cpu::spin_pause;
using aios::cpu::WaitBody;
using aios::cpu::Waiter;

namespace {

// How long a drainer looks at an empty ring before it gives the stream up: a host that enqueues small commands one
// after the other should find it still there.
constexpr int kDrainerSpins = 100;

// A host thread that waits for something short should not pay for going to sleep.
constexpr int kHostSpins = 50;

// After so many commands a drainer lets another stream that waits for a worker have its turn.
constexpr int kTurn = 64;

std::mutex registry_mutex;
aios_stream registry = nullptr;

} // namespace

aios_stream aios_stream_s::create() {
  auto *stream = new (std::nothrow) aios_stream_s;
  if (stream == nullptr)
    return nullptr;
  // 64 is the alignment of a slot; the pages are touched only as far as the ring is used.
  void *memory = std::aligned_alloc(alignof(Slot), sizeof(Slot) * kSlots);
  if (memory == nullptr) {
    delete stream;
    return nullptr;
  }
  stream->slots_ = static_cast<Slot *>(memory);
  for (uint64_t i = 0; i < kSlots; ++i)
    new (&stream->slots_[i]) Slot;
  const std::lock_guard lock(registry_mutex);
  stream->next_ = registry;
  if (registry != nullptr)
    registry->previous_ = stream;
  registry = stream;
  return stream;
}

void aios_stream_s::release() {
  if (references_.fetch_sub(1, std::memory_order_acq_rel) != 1)
    return;
  {
    const std::lock_guard lock(registry_mutex);
    (previous_ == nullptr ? registry : previous_->next_) = next_;
    if (next_ != nullptr)
      next_->previous_ = previous_;
  }
  std::free(slots_);
  delete this;
}

bool aios_stream_s::published(uint64_t command) const {
  return slots_[command % kSlots].published.load() == command + 1;
}

uint64_t aios_stream_s::enqueue(Slot::Kind kind, void (*run)(const void *body, aios::Team &team), const void *body,
                                size_t bytes) {
  const uint64_t command = tail_.fetch_add(1);
  // A full ring is waited for until it is half empty, so that the host does not sleep and wake for every command.
  if (command >= kSlots && !reached(command - kSlots + 1))
    await(command - kSlots / 2);
  Slot &slot = slots_[command % kSlots];
  slot.kind = kind;
  slot.run = run;
  std::memcpy(slot.body, body, bytes);
  slot.published.store(command + 1);
  // Either this sees that nobody has the stream, or the drainer that is about to leave it sees the command.
  if (!scheduled_.load() && !scheduled_.exchange(true)) {
    reference();
    Pool::instance().push_ready(this);
  }
  return command + 1;
}

void aios_stream_s::drain(aios::cpu::Worker &worker) {
  Pool &pool = Pool::instance();
  aios::Team team(this, worker);
  for (int turn = 0;; ++turn) {
    const uint64_t command = done_.load(std::memory_order_relaxed);
    const int spins = pool.spins() ? kDrainerSpins : 0;
    for (int spin = 0; spin < spins && !published(command) && !pool.streams_wait(); ++spin)
      spin_pause();
    if (!published(command)) {
      scheduled_.store(false);
      if (!published(command) || scheduled_.exchange(true)) {
        release();
        return;
      }
      continue; // between the two, another drainer may have come, run the command and gone: look at `done_` again
    }
    if (pool.stopping() || (turn >= kTurn && pool.streams_wait())) {
      pool.push_ready(this);
      return;
    }
    const Slot &slot = slots_[command % kSlots];
    if (slot.kind == Slot::Kind::Wait) {
      const WaitBody &wait = *reinterpret_cast<const WaitBody *>(slot.body);
      if (park_unless_reached(wait))
        return; // and touch nothing: another worker may have the stream already
      wait.stream->release();
    } else if (slot.kind == Slot::Kind::Record || error_.load(std::memory_order_relaxed) == AIOS_STATUS_OK) {
      slot.run(slot.body, team);
    }
    complete(command + 1);
  }
}

bool aios_stream_s::park_unless_reached(const WaitBody &wait) {
  aios_stream other = wait.stream;
  if (other->reached(wait.target))
    return false;
  parking_.target = wait.target;
  parking_.parked = this;
  return other->add_waiter(parking_);
}

void aios_stream_s::remember_next_target() {
  uint64_t next = UINT64_MAX;
  for (const Waiter *waiter = waiters_; waiter != nullptr; waiter = waiter->next)
    next = std::min(next, waiter->target);
  next_target_.store(next);
}

bool aios_stream_s::add_waiter(Waiter &waiter) {
  const std::lock_guard lock(mutex_);
  waiter.next = waiters_;
  waiters_ = &waiter;
  remember_next_target();
  // Either the drainer sees the new target after it has raised `done_`, or this sees the raised value.
  if (done_.load() < waiter.target)
    return true;
  waiters_ = waiter.next;
  remember_next_target();
  return false;
}

void aios_stream_s::complete(uint64_t target) {
  done_.store(target);
  if (next_target_.load() > target)
    return;
  Waiter *streams = nullptr;
  {
    const std::lock_guard lock(mutex_);
    for (Waiter **link = &waiters_; *link != nullptr;) {
      Waiter *waiter = *link;
      if (waiter->target > target) {
        link = &waiter->next;
        continue;
      }
      *link = waiter->next;
      if (waiter->parked != nullptr) {
        waiter->next = streams;
        streams = waiter;
      } else {
        waiter->woken.store(1);
        futex_wake(waiter->woken); // the lock keeps the waiter, which is on its thread's stack, alive until here
      }
    }
    remember_next_target();
  }
  while (streams != nullptr) {
    aios_stream parked = streams->parked;
    streams = streams->next; // read before the stream runs on and uses its node again
    Pool::instance().push_ready(parked);
  }
}

void aios_stream_s::await(uint64_t target) {
  const int spins = Pool::instance().spins() ? kHostSpins : 0;
  for (int spin = 0; spin < spins; ++spin) {
    if (reached(target))
      return;
    spin_pause();
  }
  Waiter waiter;
  waiter.target = target;
  if (!add_waiter(waiter))
    return;
  while (waiter.woken.load(std::memory_order_acquire) == 0)
    futex_wait(waiter.woken, 0);
  const std::lock_guard lock(mutex_);
}

aios_status aios_stream_s::error(char *message) {
  const aios_status status = error_.load(std::memory_order_acquire);
  if (status != AIOS_STATUS_OK && message != nullptr) {
    const std::lock_guard lock(mutex_);
    std::memcpy(message, message_, sizeof message_);
  }
  return status;
}

void aios_stream_s::set_error(aios_status status, const char *message) {
  const std::lock_guard lock(mutex_);
  if (error_.load(std::memory_order_relaxed) != AIOS_STATUS_OK)
    return;
  std::memcpy(message_, message, sizeof message_);
  error_.store(status, std::memory_order_release);
}

namespace aios {

void Team::fail(aios_status status, const char *format, ...) {
  char message[kErrorCapacity];
  va_list arguments;
  va_start(arguments, format);
  format_line(message, kErrorCapacity, format, arguments);
  va_end(arguments);
  stream_->set_error(status, message);
}

aios_status enqueue_command(aios_stream stream, void (*run)(const void *body, Team &team), const void *body,
                            size_t bytes) {
  if (stream == nullptr)
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "stream is null");
  stream->enqueue(Slot::Kind::Work, run, body, bytes);
  return AIOS_STATUS_OK;
}

void cpu::await_all_streams() {
  for (;;) {
    aios_stream busy = nullptr;
    {
      const std::lock_guard lock(registry_mutex);
      for (aios_stream stream = registry; stream != nullptr && busy == nullptr; stream = stream->next_) {
        // A stream whose last reference is gone is only waiting for the lock to leave the registry.
        int references = stream->references_.load();
        while (references > 0 && !stream->reached(stream->enqueued()))
          if (stream->references_.compare_exchange_weak(references, references + 1)) {
            busy = stream;
            break;
          }
      }
    }
    if (busy == nullptr)
      return;
    busy->await(busy->enqueued());
    busy->release();
  }
}

} // namespace aios

using aios::fail;

extern "C" {

aios_status aios_cpu_stream_create(aios_stream *stream) {
  if (stream == nullptr)
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "stream is null");
  if (const aios_status status = Pool::instance().start(); status != AIOS_STATUS_OK)
    return status;
  *stream = aios_stream_s::create();
  return *stream != nullptr ? AIOS_STATUS_OK : fail(AIOS_STATUS_OUT_OF_MEMORY, "no memory for a stream");
}

aios_status aios_cpu_stream_destroy(aios_stream stream) {
  if (stream == nullptr)
    return AIOS_STATUS_OK;
  stream->await(stream->enqueued());
  stream->release();
  return AIOS_STATUS_OK;
}

aios_status aios_cpu_stream_synchronize(aios_stream stream) {
  if (stream == nullptr)
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "stream is null");
  stream->await(stream->enqueued());
  char message[aios::kErrorCapacity];
  const aios_status status = stream->error(message);
  return status == AIOS_STATUS_OK ? status : fail(status, "%s", message);
}

aios_status aios_cpu_stream_query(aios_stream stream) {
  if (stream == nullptr)
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "stream is null");
  if (!stream->reached(stream->enqueued()))
    return AIOS_STATUS_NOT_READY;
  char message[aios::kErrorCapacity];
  const aios_status status = stream->error(message);
  return status == AIOS_STATUS_OK ? status : fail(status, "%s", message);
}

aios_status aios_cpu_set_threads(int32_t threads) {
  if (threads < 1 || threads > aios::cpu::kMaxThreads)
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "threads is %d; it must be 1 to %d", threads, aios::cpu::kMaxThreads);
  aios::cpu::await_all_streams();
  return Pool::instance().set_threads(threads);
}
}

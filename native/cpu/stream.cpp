#include "stream.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

#include "adversary.h"
#include "capture.h"
#include "futex.h"
#include "pool.h"

using aios::cpu::CallbackBody;
using aios::cpu::Command;
using aios::cpu::futex_wait;
using aios::cpu::futex_wake;
using aios::cpu::Pool;
using aios::cpu::Slot;
using aios::cpu::spin_pause;
using aios::cpu::WaitBody;
using aios::cpu::Waiter;
namespace adversary = aios::cpu::adversary;
namespace trace = aios::cpu::trace;

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
std::atomic<int64_t> stream_numbers{0};

} // namespace

aios_stream aios_stream_s::create(int32_t priority) {
  auto *stream = new (std::nothrow) aios_stream_s;
  if (stream == nullptr)
    return nullptr;
  stream->level_ = priority - AIOS_CPU_PRIORITY_HIGH;
  stream->number_ = stream_numbers.fetch_add(1);
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

uint64_t aios_stream_s::enqueue(const Command &command, const void *body) {
  const uint64_t number = tail_.fetch_add(1);
  // A full ring is waited for until it is half empty, so that the host does not sleep and wake for every command.
  if (number >= kSlots && !reached(number - kSlots + 1))
    await(number - kSlots / 2);
  Slot &slot = slots_[number % kSlots];
  slot.command = command;
  const bool traced = trace::active();
  slot.thread = traced ? trace::thread_number() : 0;
  slot.enqueued_ns = traced ? trace::now() : 0;
  std::memcpy(slot.body, body, command.bytes);
  slot.published.store(number + 1);
  // Either this sees that nobody has the stream, or the drainer that is about to leave it sees the command.
  if (!scheduled_.load() && !scheduled_.exchange(true)) {
    reference();
    Pool::instance().push_ready(this);
  }
  return number + 1;
}

/// Calls a function of the host with the stream's error.
aios_status aios_stream_s::call(const CallbackBody &callback, char *message) {
  message[0] = '\0';
  const aios_status status = error(message);
  const aios_status result = callback.function(callback.user, status, message);
  message[aios::kErrorCapacity - 1] = '\0';
  return status == AIOS_STATUS_OK ? result : AIOS_STATUS_OK;
}

bool aios_stream_s::call_at(uint64_t target, const CallbackBody &callback) {
  auto *waiter = new (std::nothrow) Waiter;
  if (waiter == nullptr)
    return false;
  waiter->target = target;
  waiter->call = callback;
  if (add_waiter(*waiter))
    return true;
  delete waiter;
  char message[aios::kErrorCapacity];
  call(callback, message);
  return true;
}

bool aios_stream_s::run(const Command &command, const void *body, aios::Team &team) {
  using Kind = Command::Kind;
  if (command.kind == Kind::Callback) {
    char message[aios::kErrorCapacity];
    if (const aios_status status = call(*static_cast<const CallbackBody *>(body), message))
      set_error(status, message);
  } else if (command.kind == Kind::Control || error_.load(std::memory_order_relaxed) == AIOS_STATUS_OK) {
    team.command_ = &command;
    command.run(body, team);
  } else {
    return false;
  }
  return command.kind != Kind::Control || command.origin.name != nullptr;
}

void aios_stream_s::execute(const Command &command, const void *body, const aios::Team &on, const trace::Place &place) {
  aios::Team team(this, on.worker_);
  const int64_t start_ns = trace::active() ? trace::now() : 0;
  // A control command may be the last to hold what it belongs to, but never this stream.
  const bool named = run(command, body, team);
  if (named && start_ns != 0)
    trace::record(command, place, number_, start_ns);
}

void aios_stream_s::want(uint64_t target) {
  if (!adversary::active())
    return;
  uint64_t wanted = wanted_.load();
  while (wanted < target && !wanted_.compare_exchange_weak(wanted, target)) {
  }
}

/// The adversary's say before a command runs: false when the worker shall take another stream first.
bool aios_stream_s::admit(uint64_t command) {
  Pool &pool = Pool::instance();
  if (delayed_ != command) {
    delayed_ = command;
    const adversary::Delay delay = adversary::delay(number_, command);
    held_until_ns_ = trace::now() + delay.hold.count();
    for (const int64_t end = trace::now() + delay.stall.count(); trace::now() < end;)
      spin_pause();
  }
  while (trace::now() < held_until_ns_ && wanted_.load() <= command && !pool.stopping()) {
    adversary::pass_time();
    if (pool.streams_wait())
      return false;
  }
  return true;
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
    if (pool.stopping() || (turn > 0 && pool.urgent_streams_wait(level_)) || (turn >= kTurn && pool.streams_wait()) ||
        (adversary::active() && !admit(command))) {
      pool.push_ready(this);
      return;
    }
    const Slot &slot = slots_[command % kSlots];
    if (slot.command.kind == Command::Kind::Wait) {
      const WaitBody &wait = *reinterpret_cast<const WaitBody *>(slot.body);
      if (park_unless_reached(wait))
        return; // and touch nothing: another worker may have the stream already
      wait.stream->release();
    } else {
      execute(slot.command, slot.body, team, {0, slot.thread, slot.enqueued_ns});
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
  want(waiter.target);
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
  Waiter *others = nullptr; // than threads
  {
    const std::lock_guard lock(mutex_);
    for (Waiter **link = &waiters_; *link != nullptr;) {
      Waiter *waiter = *link;
      if (waiter->target > target) {
        link = &waiter->next;
        continue;
      }
      *link = waiter->next;
      if (waiter->parked != nullptr || waiter->call.function != nullptr) {
        waiter->next = others;
        others = waiter;
      } else {
        waiter->woken.store(1);
        futex_wake(waiter->woken); // the lock keeps the waiter, which is on its thread's stack, alive until here
      }
    }
    remember_next_target();
  }
  while (others != nullptr) {
    Waiter *waiter = others;
    others = waiter->next; // read before a stream runs on and uses its node again
    if (waiter->parked != nullptr) {
      Pool::instance().push_ready(waiter->parked);
      continue;
    }
    char message[aios::kErrorCapacity];
    call(waiter->call, message);
    delete waiter;
  }
}

void aios_stream_s::await(uint64_t target) {
  want(target);
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
  const cpu::Origin &from = command_->origin;
  char problem[kErrorCapacity], message[kErrorCapacity];
  va_list arguments;
  va_start(arguments, format);
  format_line(problem, kErrorCapacity, format, arguments);
  va_end(arguments);
  std::snprintf(message, sizeof message, "%s%s%.*s%s%s", from.name == nullptr ? "" : from.name,
                from.name == nullptr ? "" : ": ", kErrorCapacity / 2, problem,
                from.site == nullptr ? "" : ", enqueued at ", from.site == nullptr ? "" : from.site);
  stream_->set_error(status, message);
}

aios_status cpu::submit(aios_stream stream, const Command &command, const void *body) {
  if (stream == nullptr)
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "stream is null");
  if (stream->member.load(std::memory_order_relaxed) != nullptr)
    return capture(stream, command, body);
  stream->enqueue(command, body);
  return AIOS_STATUS_OK;
}

aios_status enqueue_command(aios_stream stream, void (*run)(const void *body, Team &team), const void *body,
                            size_t bytes) {
  return cpu::submit(stream, {run, cpu::Command::Kind::Work, static_cast<uint32_t>(bytes), cpu::origin}, body);
}

void cpu::hold_streams() {
  registry_mutex.lock();
}

void cpu::let_streams_go() {
  registry_mutex.unlock();
}

void cpu::forget_drainers() {
  for (aios_stream stream = registry; stream != nullptr; stream = stream->next_)
    if (stream->reached(stream->enqueued()) && stream->scheduled_.exchange(false))
      stream->references_.fetch_sub(1);
}

int64_t cpu::next_stream_number() {
  return stream_numbers.load();
}

thread_local cpu::Origin cpu::origin [[gnu::tls_model("initial-exec")]];

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

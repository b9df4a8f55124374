// Streams: rings of command slots, drained in order by one worker at a time.
//
// Progress of a stream is one number, `done`: how many of its commands have completed. A point in its order is
// therefore a pair (stream, target), reached when done >= target; events, waits between streams and waits of the host
// are all built on it.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

#include "aios.h"
#include "command.h"
#include "launch.h"
#include "trace.h"

namespace aios::cpu {

struct Member;

/// One place in a stream's ring.
struct alignas(64) Slot {
  std::atomic<uint64_t> published{0}; ///< 1 + the number of the command in here, once it is complete.
  Command command;
  int64_t thread = 0, enqueued_ns = 0; ///< Of the enqueuer, while a trace is recorded.
  alignas(64) unsigned char body[kCommandBytes];
};

/// Somebody who waits for `done` to reach `target`: a parked stream, a function of the host, or a thread of the host.
struct Waiter {
  uint64_t target = 0;
  aios_stream parked = nullptr;
  CallbackBody call{nullptr, nullptr}; ///< The waiter is then on the heap.
  std::atomic<uint32_t> woken{0};
  Waiter *next = nullptr;
};

/// Waits until no stream has unfinished work.
void await_all_streams();

/// For fork: no stream comes or goes meanwhile.
void hold_streams();
void let_streams_go();

/// In a forked child, while streams are held: an idle stream may have had a worker that looked for its next command.
void forget_drainers();

/// The number that the next stream gets.
int64_t next_stream_number();

/// Enqueues a command of a caller, or adds it to what is being captured from the stream.
aios_status submit(aios_stream stream, const Command &command, const void *body);

} // namespace aios::cpu

/// Lives until the handle is destroyed and no event, wait or drainer refers to it any more.
struct aios_stream_s {
  static constexpr uint64_t kSlots = 512;

  /// Null when there is no memory. The creator owns the first reference. `priority` is one of AIOS_CPU_PRIORITY_*.
  static aios_stream create(int32_t priority);
  void reference() { references_.fetch_add(1, std::memory_order_relaxed); }
  void release();

  /// Copies a command into the ring, waiting for room, and returns the target that it completes.
  uint64_t enqueue(const aios::cpu::Command &command, const void *body);

  /// Runs a command that is this stream's by right, on the worker of `team`.
  void execute(const aios::cpu::Command &command, const void *body, const aios::Team &team,
               const aios::cpu::trace::Place &place);

  /// Runs the commands of the ring until it is empty, or parked, or another stream's turn has come.
  void drain(aios::cpu::Worker &worker);

  /// The target of everything enqueued so far.
  uint64_t enqueued() const { return tail_.load(); }
  bool reached(uint64_t target) const { return done_.load(std::memory_order_acquire) >= target; }

  /// Blocks the calling host thread until the target is reached.
  void await(uint64_t target);

  /// Has a function called when the target is reached; false when there is no memory.
  bool call_at(uint64_t target, const aios::cpu::CallbackBody &callback);

  /// The sticky error; `message` (kErrorCapacity bytes), unless null, receives its text.
  aios_status error(char *message);
  void set_error(aios_status status, const char *message);

  /// The level of the pool's queue.
  int level() const { return level_; }
  int32_t priority() const { return level_ + AIOS_CPU_PRIORITY_HIGH; }
  int64_t number() const { return number_; }

  /// Somebody waits for the target, or asks for it: an adversary holds nothing back until then.
  void want(uint64_t target);

  aios_stream next_ready = nullptr; ///< Link of the pool's queue.

  /// Its part in the capture that is under way; see capture.h.
  std::atomic<aios::cpu::Member *> member{nullptr};

private:
  friend void aios::cpu::await_all_streams();
  friend void aios::cpu::forget_drainers();

  aios_stream_s() = default;
  ~aios_stream_s() = default;
  bool add_waiter(aios::cpu::Waiter &waiter);
  void remember_next_target();
  void complete(uint64_t target);
  bool park_unless_reached(const aios::cpu::WaitBody &wait);
  bool published(uint64_t command) const;
  aios_status call(const aios::cpu::CallbackBody &callback, char *message);
  bool run(const aios::cpu::Command &command, const void *body, aios::Team &team);
  bool admit(uint64_t command);

  aios::cpu::Slot *slots_ = nullptr;
  std::atomic<int> references_{1};
  std::atomic<aios_status> error_{AIOS_STATUS_OK};
  int level_ = 0;
  int64_t number_ = 0;

  alignas(128) std::atomic<uint64_t> tail_{0};    // commands that have a slot
  std::atomic<bool> scheduled_{false};            // ready, being drained, or parked: somebody will look at the ring
  alignas(128) std::atomic<uint64_t> done_{0};    // written by the drainer only
  std::atomic<uint64_t> next_target_{UINT64_MAX}; // lowest target that somebody waits for

  std::atomic<uint64_t> wanted_{0}; // see `want`
  uint64_t delayed_ = UINT64_MAX;   // the drainer's: the command that it has delayed last
  int64_t held_until_ns_ = 0;

  alignas(128) std::mutex mutex_; // guards the waiters and the message
  aios::cpu::Waiter *waiters_ = nullptr;
  aios::cpu::Waiter parking_; // this stream's own node in the list of the stream it waits for
  char message_[aios::kErrorCapacity] = "";

  aios_stream previous_ = nullptr, next_ = nullptr; // the registry of all streams
};

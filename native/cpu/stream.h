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
#include "launch.h"

namespace aios::cpu {

/// One place in a stream's ring.
struct alignas(64) Slot {
  enum class Kind { Work, Record, Wait };

  std::atomic<uint64_t> published{0}; ///< 1 + the number of the command in here, once it is complete.
  void (*run)(const void *body, Team &team) = nullptr;
  Kind kind = Kind::Work;
  alignas(64) unsigned char body[kCommandBytes];
};

/// Somebody who waits for `done` to reach `target`: a parked stream, or else a thread of the host.
struct Waiter {
  uint64_t target = 0;
  aios_stream parked = nullptr;
  std::atomic<uint32_t> woken{0};
  Waiter *next = nullptr;
};

/// Body of a Wait command; holds a reference to the stream.
struct WaitBody {
  aios_stream stream;
  uint64_t target;
};

/// Waits until no stream has unfinished work.
void await_all_streams();

} // namespace aios::cpu

/// Lives until the handle is destroyed and no event, wait or drainer refers to it any more.
struct aios_stream_s {
  static constexpr uint64_t kSlots = 512;

  /// Null when there is no memory. The creator owns the first reference.
  static aios_stream create();
  void reference() { references_.fetch_add(1, std::memory_order_relaxed); }
  void release();

  /// Copies a command into the ring, waiting for room, and returns the target that it completes.
  uint64_t enqueue(aios::cpu::Slot::Kind kind, void (*run)(const void *body, aios::Team &team), const void *body,
                   size_t bytes);

  /// Runs the commands of the ring until it is empty, or parked, or another stream's turn has come.
  void drain(aios::cpu::Worker &worker);

  /// The target of everything enqueued so far.
  uint64_t enqueued() const { return tail_.load(); }
  bool reached(uint64_t target) const { return done_.load(std::memory_order_acquire) >= target; }

  /// Blocks the calling host thread until the target is reached.
  void await(uint64_t target);

  /// The sticky error; `message` (kErrorCapacity bytes), unless null, receives its text.
  aios_status error(char *message);
  void set_error(aios_status status, const char *message);

  aios_stream next_ready = nullptr; ///< Link of the pool's queue.

private:
  friend void aios::cpu::await_all_streams();

  aios_stream_s() = default;
  ~aios_stream_s() = default;
  bool add_waiter(aios::cpu::Waiter &waiter);
  void remember_next_target();
  void complete(uint64_t target);
  bool park_unless_reached(const aios::cpu::WaitBody &wait);
  bool published(uint64_t command) const;

  aios::cpu::Slot *slots_ = nullptr;
  std::atomic<int> references_{1};
  std::atomic<aios_status> error_{AIOS_STATUS_OK};

  alignas(128) std::atomic<uint64_t> tail_{0};    // commands that have a slot
  std::atomic<bool> scheduled_{false};            // ready, being drained, or parked: somebody will look at the ring
  alignas(128) std::atomic<uint64_t> done_{0};    // written by the drainer only
  std::atomic<uint64_t> next_target_{UINT64_MAX}; // lowest target that somebody waits for

  alignas(128) std::mutex mutex_; // guards the waiters and the message
  aios::cpu::Waiter *waiters_ = nullptr;
  aios::cpu::Waiter parking_; // this stream's own node in the list of the stream it waits for
  char message_[aios::kErrorCapacity] = "";

  aios_stream previous_ = nullptr, next_ = nullptr; // the registry of all streams
};

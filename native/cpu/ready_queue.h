// The streams that have work and no worker, by how urgent they are.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

#include "aios.h"

namespace aios::cpu {

/// Levels 0 (most urgent) to kLevels - 1. Within a level the first come is the first served. A level that has been
/// passed over too often has its turn all the same.
class ReadyQueue {
public:
  static constexpr int kLevels = 3;

  void push(aios_stream stream);

  /// Null when there is none; `more` tells whether others are left.
  aios_stream pop(bool &more);

  bool empty() const { return counts_.load(std::memory_order_relaxed) == 0; }

  /// The same for somebody who is about to sleep: a stream that was pushed before is seen.
  bool empty_in_order() const { return counts_.load() == 0; }

  /// True when a stream of a more urgent level waits.
  bool has_above(int level) const {
    return (counts_.load(std::memory_order_relaxed) & ((uint64_t{1} << (kBits * level)) - 1)) != 0;
  }

  /// For fork: the queue stays as it is meanwhile.
  void lock() { mutex_.lock(); }
  void unlock() { mutex_.unlock(); }

private:
  static constexpr int kBits = 21; // of a level's count; more streams than that have no memory

  struct Level {
    aios_stream head = nullptr, tail = nullptr;
    int passed_over = 0;
  };

  static uint64_t one(int level) { return uint64_t{1} << (kBits * level); }
  int next_level();
  aios_stream take(int level, uint64_t position);

  std::mutex mutex_;
  Level levels_[kLevels];
  alignas(128) std::atomic<uint64_t> counts_{0}; // of each level, beside each other: looking costs one load
};

} // namespace aios::cpu

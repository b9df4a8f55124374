// Blocks of one range of memory: first fit, neighbours joined when they become free.
#pragma once

#include <cstdint>
#include <iterator>
#include <map>

namespace aios::emulation {

class Blocks {
public:
  Blocks(uintptr_t start, uintptr_t end) { free_[start] = end; }

  /// The start of a free block of `bytes` bytes, both multiples of `alignment`; 0 when there is none.
  uintptr_t take(uintptr_t bytes, uintptr_t alignment) {
    for (auto range = free_.begin(); range != free_.end(); ++range) {
      const auto [start, end] = *range;
      const uintptr_t block = (start + alignment - 1) / alignment * alignment;
      if (block > end || end - block < bytes)
        continue;
      free_.erase(range);
      give(start, block);
      give(block + bytes, end);
      return block;
    }
    return 0;
  }

  void give(uintptr_t start, uintptr_t end) {
    if (start == end)
      return;
    auto next = free_.lower_bound(start);
    if (next != free_.end() && next->first == end) {
      end = next->second;
      next = free_.erase(next);
    }
    if (next != free_.begin() && std::prev(next)->second == start)
      std::prev(next)->second = end;
    else
      free_[start] = end;
  }

private:
  std::map<uintptr_t, uintptr_t> free_; // end by start
};

} // namespace aios::emulation

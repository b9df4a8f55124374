// Bank conflicts: how many passes shared memory needs for what the lanes of a warp access at the same time.
#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "thread.h"

namespace aios::sim {

/// Extra passes for one group of lanes that is served together: a bank, 4 bytes wide, gives one word at a time, to all
/// that ask for it. `words` are the addresses in words of all that the lanes access.
uint32_t extra_passes(std::vector<uint32_t> words);

/// Collects the accesses of a group's threads. Lanes run one after the other here, so the n-th time that each lane of a
/// warp passes a place in the source counts as one instruction of the warp.
class ConflictCounter {
public:
  void note(const Thread &thread, const Site &site, uint32_t offset, uint32_t size);

  /// The extra passes of all that was noted, which is forgotten.
  uint64_t finish();

private:
  struct Instruction {
    uint32_t offsets[kWarpSize];
    uint32_t sizes[kWarpSize]; // 0 for lanes that take no part
  };
  struct Place {
    uint32_t passed[kWarpSize] = {};
    std::vector<Instruction> instructions;
  };
  struct Key {
    const Warp *warp;
    const char *file;
    uint32_t line, column;
    auto operator<=>(const Key &) const = default;
  };

  std::map<Key, Place> places_;
};

} // namespace aios::sim

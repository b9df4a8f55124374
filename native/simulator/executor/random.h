// The generator behind every choice of the simulator: schedules, delays and poison follow from one seed.
#pragma once

#include <cstdint>

namespace aios::sim {

/// SplitMix64: one addition and three mixing steps per number, every seed as good as another.
class Random {
public:
  explicit Random(uint64_t seed = 1) : state_(seed) {}

  uint64_t next() {
    uint64_t z = state_ += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }

  /// A number below `bound`, which is not zero.
  uint32_t below(uint32_t bound) { return static_cast<uint32_t>((static_cast<uint64_t>(next() >> 32) * bound) >> 32); }

  /// A number from 1 to about 2^`magnitude`, its logarithm uniform: most delays are short, a few are very long.
  uint32_t delay(uint32_t magnitude) { return 1 + below(2u << below(magnitude)); }

private:
  uint64_t state_;
};

} // namespace aios::sim

// Legal misbehaviour of streams, decided by a seed: what a correct program cannot tell from bad luck.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace aios::cpu::adversary {

/// 0 while streams behave.
extern std::atomic<uint64_t> seed;

/// Why the value of AIOS_CPU_ADVERSARY is none; null when it is one. It is then ignored.
const char *problem();

inline bool active() {
  return seed.load(std::memory_order_relaxed) != 0;
}

/// What happens to a command before it runs.
struct Delay {
  std::chrono::nanoseconds stall; ///< Always waited.
  std::chrono::nanoseconds hold;  ///< Waited unless somebody waits for the command.
};

/// A function of the seed and the command; `stream` is its number.
Delay delay(int64_t stream, uint64_t command);

/// Which of `count` ready streams a worker takes.
size_t choose(size_t count);

/// Lets the calling worker pass a little time.
void pass_time();

} // namespace aios::cpu::adversary

#include "adversary.h"

#include <algorithm>

#include <ctime>

#include "aios_cpu.h"
#include "placement.h"
#include "stream.h"

namespace aios::cpu::adversary {
namespace {

using namespace std::chrono_literals;

// Stalls shuffle what streams do at the same time; holding back is for work that nobody has waited for.
constexpr uint64_t kStallOneIn = 16, kHoldOneIn = 4;
constexpr std::chrono::nanoseconds kLongestStall = 100us, kLongestHold = 8ms;

std::atomic<int64_t> first_stream{0}; // streams are counted from here, so that a seed means the same every time
std::atomic<uint64_t> choices{0};

uint64_t hash(uint64_t a, uint64_t b) {
  uint64_t z = seed.load(std::memory_order_relaxed) + a * 0x9e3779b97f4a7c15u + b * 0xd1b54a32d192ed03u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u; // the finalizer of splitmix64
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

std::chrono::nanoseconds share(std::chrono::nanoseconds longest, uint64_t bits) {
  return longest * static_cast<int64_t>(bits % 1024) / 1024;
}

constexpr const char *kVariable = "AIOS_CPU_ADVERSARY";

} // namespace

std::atomic<uint64_t> seed{static_cast<uint64_t>(std::max(0, positive_variable(kVariable, INT32_MAX)))};

const char *problem() {
  return positive_variable(kVariable, INT32_MAX) < 0 ? "AIOS_CPU_ADVERSARY must be a seed, 1 to 2147483647" : nullptr;
}

Delay delay(int64_t stream, uint64_t command) {
  const uint64_t bits = hash(static_cast<uint64_t>(stream - first_stream.load(std::memory_order_relaxed)), command);
  return {bits % kStallOneIn == 0 ? share(kLongestStall, bits >> 8) : 0ns,
          (bits >> 32) % kHoldOneIn == 0 ? share(kLongestHold, bits >> 40) : 0ns};
}

size_t choose(size_t count) {
  return hash(~uint64_t{0}, choices.fetch_add(1, std::memory_order_relaxed)) % count;
}

void pass_time() {
  const timespec pause{0, 20'000};
  nanosleep(&pause, nullptr);
}

} // namespace aios::cpu::adversary

extern "C" aios_status aios_cpu_set_adversary(uint64_t seed) {
  using namespace aios::cpu;
  adversary::first_stream.store(next_stream_number());
  adversary::choices.store(0);
  adversary::seed.store(seed);
  return AIOS_STATUS_OK;
}

// aios_probe: a limit of the machine, measured on all workers at once, each on its own part of the buffer.
//
// A worker's clock starts when all of them have arrived, so that the time it takes to wake them is not measured. The
// arithmetic kinds keep more independent sums than units times latency, which is all that the limit needs.
#include <ctime>
#include <utility>

#include <sched.h>

#include "dot.h"
#include "loops.h"

namespace aios::AIOS_ISA {

namespace {

constexpr int kChains = 12;
constexpr int64_t kSteps = 4096;

/// Keeps the compiler from merging passes: everything in memory may have changed.
AIOS_INLINE void forget() {
  asm volatile("" ::: "memory");
}

AIOS_INLINE void keep(VF x) {
  alignas(64) float sink[W];
  store(sink, x, Full{});
  asm volatile("" : : "r"(sink) : "memory");
}

/// Runs sum = step(sum, a, b) for independent sums, with operands that are loaded anew for every step: otherwise the
/// compiler would compute a product once for all of them.
template <class V, class Step, int... I>
AIOS_INLINE VF chains(int64_t steps, V start, const Step &step, std::integer_sequence<int, I...>) {
  alignas(64) V operand[2] = {start, start};
  alignas(64) V starts[] = {((void)I, start)...};
  asm volatile("" : "+m"(starts)); // equal sums would be computed once
  V sum[] = {starts[I]...};
  for (int64_t s = 0; s < steps; s++) {
    asm volatile("" : "+m"(operand));
    const V a = operand[0], b = operand[1];
    ((sum[I] = step(sum[I], a, b)), ...);
  }
  ((sum[0] = step(sum[0], sum[0], sum[I])), ...);
  return (VF)sum[0];
}

/// Operations of so many passes, where a step of one lane counts `each`. The operands 0.5f are small numbers in every
/// other format too.
template <class V, class Step> int64_t arithmetic(int64_t passes, int64_t each, const Step &step) {
  keep(chains(passes * kSteps, (V)set1(0.5f), step, std::make_integer_sequence<int, kChains>{}));
  return each * W * kChains * passes * kSteps;
}

/// Reads in two streams: one leaves part of what the L2 and main memory can deliver, more than two compete for cache
/// sets.
int64_t read(const float *p, int64_t n, int64_t passes) {
  constexpr int kStep = 4 * W;
  VF sum[8];
  for (VF &s : sum)
    s = zero();
  const int64_t half = n / 2 / kStep * kStep;
  const float *const q = p + half;
  for (int64_t pass = 0; pass < passes; pass++) {
    for (int64_t i = 0; i < half; i += kStep)
#pragma GCC unroll 4
      for (int j = 0; j < 4; j++) {
        sum[j] = max(sum[j], load(p + i + j * W, Full{}));
        sum[4 + j] = max(sum[4 + j], load(q + i + j * W, Full{}));
      }
    forget();
  }
  for (const VF s : sum)
    keep(s);
  return 8 * half * passes;
}

/// The C library's copy, which may use instructions that move blocks without reading what they overwrite.
int64_t copy_blocks(float *out, const float *a, int64_t n, int64_t passes) {
  constexpr int64_t kBlock = 1 << 17;
  for (int64_t pass = 0; pass < passes; pass++) {
    for (int64_t i = 0; i < n; i += kBlock)
      __builtin_memcpy(out + i, a + i, static_cast<size_t>(4 * (n - i < kBlock ? n - i : kBlock)));
    forget();
  }
  return 8 * n * passes;
}

/// x = c x + c in place, which tends to 1. Returns the bytes read and written.
int64_t update(float *x, int64_t n, int64_t passes) {
  const VF c = set1(0.5f);
  const int64_t whole = n / (4 * W) * (4 * W);
  for (int64_t pass = 0; pass < passes; pass++) {
    for (int64_t i = 0; i < whole; i += 4 * W)
      for (int j = 0; j < 4; j++)
        store(x + i + j * W, fma(c, load(x + i + j * W, Full{}), c), Full{});
    forget();
  }
  return 8 * whole * passes;
}

/// out = a, or a + c b when b is given. Returns the bytes read and written.
template <bool kStream> int64_t copy(float *out, const float *a, const float *b, int64_t n, int64_t passes) {
  const VF c = set1(0.5f);
  const auto put = [](float *p, VF x) {
    if constexpr (kStream)
      stream(p, x);
    else
      store(p, x, Full{});
  };
  const int64_t whole = n / (4 * W) * (4 * W);
  for (int64_t pass = 0; pass < passes; pass++) {
    if (b == nullptr)
      for (int64_t i = 0; i < whole; i += 4 * W)
        for (int j = 0; j < 4; j++)
          put(out + i + j * W, load(a + i + j * W, Full{}));
    else
      for (int64_t i = 0; i < whole; i += 4 * W)
        for (int j = 0; j < 4; j++)
          put(out + i + j * W, fma(c, load(b + i + j * W, Full{}), load(a + i + j * W, Full{})));
    forget();
  }
  if (kStream)
    stream_fence();
  return (b == nullptr ? 8 : 12) * whole * passes;
}

int64_t run(aios_probe_kind kind, float *part, int64_t n, int64_t passes) {
  // Streams that lie a power of two apart would fall into the same sets of the caches.
  const auto split = [&](int64_t count) { return max64(0, n / count - 16 * W) / (16 * W) * (16 * W); };
  const int64_t half = split(2), third = split(3);
  switch (kind) {
  case AIOS_PROBE_FMA_F32:
    return arithmetic<VF>(passes, 2, [](VF sum, VF a, VF b) { return fma(a, sum, b); });
  case AIOS_PROBE_DOT_BF16:
    return arithmetic<VF>(passes, 4, [](VF sum, VF a, VF b) { return dot_bf16(sum, (VU)a, (VU)b); });
  case AIOS_PROBE_DOT_I8:
    return arithmetic<VI>(passes, 8, [](VI sum, VI a, VI b) { return dot_bytes(sum, (VU)a, (VU)b); });
  case AIOS_PROBE_READ:
    return read(part, n, passes);
  case AIOS_PROBE_COPY:
    return copy<false>(part, part + half + 4 * W, nullptr, half, passes);
  case AIOS_PROBE_COPY_STREAM:
    return copy<true>(part, part + half + 4 * W, nullptr, half, passes);
  case AIOS_PROBE_TRIAD:
    return copy<false>(part, part + third + 4 * W, part + 2 * third + 8 * W, third, passes);
  case AIOS_PROBE_UPDATE:
    return update(part, n, passes);
  case AIOS_PROBE_COPY_BLOCKS:
    return copy_blocks(part, part + half + 4 * W, half, passes);
  default:
    return copy<true>(part, part + third + 4 * W, part + 2 * third + 8 * W, third, passes);
  }
}

// No std::atomic or std::chrono here: their inline functions must not come from a build for a wider instruction set.
int64_t nanoseconds() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{1000000000} * now.tv_sec + now.tv_nsec;
}

/// Waits until all workers are here, but not for one that does not come: it may be running the previous task. One that
/// has just been woken may need this core to come at all.
void meet(int64_t *arrived, int64_t all) {
  __atomic_fetch_add(arrived, 1, __ATOMIC_ACQ_REL);
  const int64_t since = nanoseconds();
  while (__atomic_load_n(arrived, __ATOMIC_ACQUIRE) < all) {
    const int64_t waited = nanoseconds() - since;
    if (waited > 20000000)
      return;
    if (waited > 20000)
      sched_yield();
  }
}

/// Gives a worker a core of its own for the time of a measurement: the system may run two on one for many milliseconds
/// before it moves either. Afterwards it may go anywhere again, but starts from there.
class OwnCore {
public:
  OwnCore(int64_t worker, int64_t workers) {
    if (sched_getaffinity(0, sizeof all_, &all_) != 0 || CPU_COUNT(&all_) < workers)
      return;
    size_t core = 0;
    for (int64_t before = worker; !CPU_ISSET(core, &all_) || before-- > 0;)
      core++;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(core, &one);
    moved_ = sched_setaffinity(0, sizeof one, &one) == 0;
  }

  ~OwnCore() {
    if (moved_)
      sched_setaffinity(0, sizeof all_, &all_);
  }

  OwnCore(const OwnCore &) = delete;
  OwnCore &operator=(const OwnCore &) = delete;

private:
  cpu_set_t all_;
  bool moved_ = false;
};

/// Replaces *value by `candidate` when that is less.
void lower(int64_t *value, int64_t candidate) {
  int64_t seen = __atomic_load_n(value, __ATOMIC_RELAXED);
  while (candidate < seen &&
         !__atomic_compare_exchange_n(value, &seen, candidate, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
  }
}

} // namespace

aios_status aios_probe(aios_stream stream, double *result, void *buffer, int64_t bytes, int64_t passes,
                       aios_probe_kind kind) {
  if (const aios_status status = check_extents("aios_probe", {{"bytes", bytes}, {"passes", passes}}))
    return status;
  if (kind < AIOS_PROBE_FMA_F32 || kind > AIOS_PROBE_COPY_BLOCKS)
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "aios_probe: kind must be 0 to %d, got %d",
                static_cast<int>(AIOS_PROBE_COPY_BLOCKS), static_cast<int>(kind));
  if (kind >= AIOS_PROBE_READ && (buffer == nullptr || reinterpret_cast<uintptr_t>(buffer) % 64 != 0))
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "aios_probe: the buffer must be aligned to 64 bytes");
  return enqueue(stream, [=](Team &team) {
    const int64_t workers = team.threads();
    const int64_t part = bytes / workers / 4 / (16 * W) * (16 * W);
    int64_t arrived = 0, first = INT64_MAX, minus_last = INT64_MAX, count = 0;
    team.parallel_for(workers, [&](int64_t worker, int) {
      const OwnCore core(worker, workers);
      meet(&arrived, workers);
      const int64_t start = nanoseconds();
      const int64_t done = run(kind, static_cast<float *>(buffer) + worker * part, part, passes);
      const int64_t end = nanoseconds();
      lower(&first, start);
      lower(&minus_last, -end);
      __atomic_fetch_add(&count, done, __ATOMIC_RELAXED);
    });
    result[0] = 1e-9 * static_cast<double>(-minus_last - first);
    result[1] = static_cast<double>(count);
  });
}

} // namespace aios::AIOS_ISA

// Products with quantised weights: one row of activations against weights that are read from memory (packed GB/s and
// the share of the read rate of the same round), and many rows (GOP/s and the share of the dot-product rate).
//
//   qmatmul_bench [rounds] [format] [m] [k] [rows]     format: a name as below, or "all"
//
// Weights are cycled over 640 MB for m = 1, so that no cache holds them. Medians of interleaved rounds.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "aios_cpu.h"
#include "aios_kernels.h"

namespace {

using Clock = std::chrono::steady_clock;

struct Format {
  const char *name;
  aios_dtype dtype;
};

constexpr Format kFormats[] = {
    {"q8_0", AIOS_DTYPE_Q8_0}, {"q4_0", AIOS_DTYPE_Q4_0},     {"q4_1", AIOS_DTYPE_Q4_1},     {"q5_0", AIOS_DTYPE_Q5_0},
    {"q5_1", AIOS_DTYPE_Q5_1}, {"q2_k", AIOS_DTYPE_Q2_K},     {"q3_k", AIOS_DTYPE_Q3_K},     {"q4_k", AIOS_DTYPE_Q4_K},
    {"q5_k", AIOS_DTYPE_Q5_K}, {"q6_k", AIOS_DTYPE_Q6_K},     {"iq4_nl", AIOS_DTYPE_IQ4_NL}, {"i8", AIOS_DTYPE_I8},
    {"i4", AIOS_DTYPE_I4},     {"f8e4m3", AIOS_DTYPE_F8E4M3}, {"f8e5m2", AIOS_DTYPE_F8E5M2},
};

constexpr int64_t kGroup = 128;
constexpr int64_t kColdBytes = int64_t{640} << 20;

void check(aios_status status) {
  if (status == AIOS_STATUS_OK)
    return;
  std::fprintf(stderr, "%s: %s\n", aios_status_name(status), aios_last_error());
  std::exit(1);
}

uint8_t *allocate(int64_t bytes) {
  void *memory = nullptr;
  check(aios_cpu_alloc(&memory, std::max<int64_t>(bytes, 64)));
  return static_cast<uint8_t *>(memory);
}

template <class F> void on_all(int threads, const F &f) {
  std::vector<std::thread> others;
  for (int t = 1; t < threads; ++t)
    others.emplace_back([&f, t] { f(t); });
  f(0);
  for (std::thread &other : others)
    other.join();
}

template <class F> double seconds(const F &f) {
  const auto start = Clock::now();
  f();
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Bytes per second that all threads read together.
double read_rate(const uint8_t *memory, int64_t bytes, int threads) {
  typedef uint64_t Block __attribute__((vector_size(64)));
  static volatile uint64_t sink;
  const double time = seconds([&] {
    on_all(threads, [&](int t) {
      const int64_t share = bytes / threads / 64;
      const auto *p = reinterpret_cast<const Block *>(memory) + t * share;
      Block sum[4] = {};
      for (int64_t i = 0; i + 4 <= share; i += 4)
        for (int j = 0; j < 4; ++j) {
          __builtin_prefetch(p + i + j + 64);
          sum[j] += p[i + j];
        }
      sink = sink + (sum[0] + sum[1] + sum[2] + sum[3])[0];
    });
  });
  return static_cast<double>(bytes) / time;
}

/// Operations per second of independent byte dot products, two for a product and its sum.
double dot_rate(int threads) {
#if defined(__x86_64__)
  constexpr int64_t kSteps = 3'000'000;
  if (!__builtin_cpu_supports("avx512vnni"))
    return 0;
  const double time = seconds([&] {
    on_all(threads, [](int) {
      for (int64_t i = 0; i < kSteps; ++i)
        asm volatile("vpdpbusd %%zmm0, %%zmm0, %%zmm8\n vpdpbusd %%zmm0, %%zmm0, %%zmm9\n"
                     "vpdpbusd %%zmm0, %%zmm0, %%zmm10\n vpdpbusd %%zmm0, %%zmm0, %%zmm11\n"
                     "vpdpbusd %%zmm0, %%zmm0, %%zmm12\n vpdpbusd %%zmm0, %%zmm0, %%zmm13\n"
                     "vpdpbusd %%zmm0, %%zmm0, %%zmm14\n vpdpbusd %%zmm0, %%zmm0, %%zmm15\n"
                     "vpdpbusd %%zmm0, %%zmm0, %%zmm5\n vpdpbusd %%zmm0, %%zmm0, %%zmm6\n" ::
                         : "xmm5", "xmm6", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
    });
  });
  return static_cast<double>(kSteps) * 10 * 128 * threads / time;
#else
  return threads > 0 ? 0 : 1;
#endif
}

double median(std::vector<double> &values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void run(const Format &format, aios_stream stream, int threads, int rounds, int64_t m, int64_t rows, int64_t k,
         const uint8_t *cold) {
  const int64_t codes = rows * aios_quantized_row_bytes(format.dtype, k);
  const bool grouped = format.dtype == AIOS_DTYPE_I4;
  const int64_t scales = grouped ? rows * ((k + kGroup - 1) / kGroup) * 2 : rows * 4;
  const int64_t all = (codes + scales + 4095) / 4096 * 4096;
  const int64_t copies = m > 4 ? 1 : std::max<int64_t>(1, kColdBytes / all);
  uint8_t *weights = allocate(all * copies);
  std::vector<float> dense(static_cast<size_t>(rows * k)), a(static_cast<size_t>(m * k));
  uint32_t seed = 1;
  for (auto *values : {&dense, &a})
    for (float &x : *values) {
      seed = seed * 1664525u + 1013904223u;
      x = static_cast<float>(seed >> 8) * 0x1p-23f - 1.0f;
    }
  const auto matrix = [&](int64_t copy) {
    uint8_t *data = weights + copy * all;
    return aios_qmatrix{data, data + codes, nullptr, rows, k, kGroup, format.dtype};
  };
  const aios_qmatrix first = matrix(0);
  const double quantise = seconds([&] {
    check(aios_quantize(stream, &first, dense.data(), AIOS_DTYPE_F32));
    check(aios_cpu_stream_synchronize(stream));
  });
  for (int64_t copy = 1; copy < copies; ++copy)
    std::memcpy(weights + copy * all, weights, static_cast<size_t>(all));
  const int64_t bytes = aios_qmatmul_workspace_size(&first, m, AIOS_DTYPE_F32);
  uint8_t *workspace = allocate(bytes), *c = allocate(m * rows * 4);
  const double operations = 2.0 * static_cast<double>(m) * static_cast<double>(rows) * static_cast<double>(k);
  int64_t next = 0;
  const auto multiply = [&](int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      const aios_qmatrix w = matrix(next++ % copies);
      check(aios_qmatmul(stream, c, a.data(), &w, nullptr, workspace, bytes, m, AIOS_DTYPE_F32));
    }
    check(aios_cpu_stream_synchronize(stream));
  };
  const int64_t repeats = m > 4 ? std::max<int64_t>(1, static_cast<int64_t>(4e10 / operations)) : copies;
  std::vector<double> times, limits;
  for (int round = 0; round < rounds; ++round) {
    limits.push_back(m > 4 ? dot_rate(threads) : read_rate(cold, kColdBytes, threads));
    multiply(std::min<int64_t>(repeats, 8));
    times.push_back(seconds([&] { multiply(repeats); }) / static_cast<double>(repeats));
  }
  const double time = median(times), limit = median(limits);
  const double rate =
      m > 4 ? operations / time : static_cast<double>(codes + (format.dtype >= AIOS_DTYPE_Q8_0 ? 0 : scales)) / time;
  std::printf("%-7s m %4lld rows %5lld k %5lld  %9.1f us  %7.1f %s  %5.1f %% of %.1f   quantised in %.0f ms\n",
              format.name, static_cast<long long>(m), static_cast<long long>(rows), static_cast<long long>(k),
              time * 1e6, rate * 1e-9, m > 4 ? "GOP/s" : "GB/s", 100 * rate / limit, limit * 1e-9, quantise * 1e3);
  std::fflush(stdout);
  check(aios_cpu_free(weights, all * copies));
  check(aios_cpu_free(workspace, std::max<int64_t>(bytes, 64)));
  check(aios_cpu_free(c, std::max<int64_t>(m * rows * 4, 64)));
}

} // namespace

int main(int argc, char **argv) {
  const int rounds = argc > 1 ? std::max(1, std::atoi(argv[1])) : 5;
  const std::string name = argc > 2 ? argv[2] : "all";
  const int64_t m = argc > 3 ? std::atoll(argv[3]) : 1, k = argc > 4 ? std::atoll(argv[4]) : 4096;
  const int64_t rows = argc > 5 ? std::atoll(argv[5]) : 4096;
  aios_cpu_info info;
  check(aios_cpu_get_info(&info));
  aios_stream stream = nullptr;
  check(aios_cpu_stream_create(&stream));
  uint8_t *cold = allocate(kColdBytes);
  std::memset(cold, 1, static_cast<size_t>(kColdBytes));
  std::printf("%s, %s, %d threads\n", info.name, info.isa, info.threads);
  for (const Format &format : kFormats)
    if (name == "all" || name == format.name)
      run(format, stream, info.threads, rounds, m, rows, k, cold);
  check(aios_cpu_free(cold, kColdBytes));
  check(aios_cpu_stream_destroy(stream));
  return 0;
}

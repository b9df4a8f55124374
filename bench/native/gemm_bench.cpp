// Matrix products of the GPT-2 124M training step and some squares: GFLOP/s, the share of the machine's measured FMA
// limit, and the same product by OpenBLAS when it is installed.
//
//   gemm_bench [rounds] [name]     name picks the shapes whose name contains it
//
// Every product is checked against OpenBLAS, or against some of its elements computed in binary64, before it is timed.
// The median of interleaved rounds is reported. For a fair OpenBLAS set OPENBLAS_CORETYPE and its number of threads,
// and keep OMP_WAIT_POLICY=passive, so that its spinning threads do not take the cores from the pool under test.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include <dlfcn.h>

#include "aios_cpu.h"
#include "aios_kernels.h"

namespace {

using Clock = std::chrono::steady_clock;

struct Shape {
  const char *name;
  bool trans_a, trans_b;
  int64_t m, n, k;
};

constexpr Shape kShapes[] = {
    {"qkv forward", false, false, 256, 2304, 768},    {"qkv dx", false, true, 256, 768, 2304},
    {"qkv dw", true, false, 768, 2304, 256},          {"attproj forward", false, false, 256, 768, 768},
    {"attproj dx", false, true, 256, 768, 768},       {"attproj dw", true, false, 768, 768, 256},
    {"fc forward", false, false, 256, 3072, 768},     {"fc dx", false, true, 256, 768, 3072},
    {"fc dw", true, false, 768, 3072, 256},           {"fcproj forward", false, false, 256, 768, 3072},
    {"fcproj dx", false, true, 256, 3072, 768},       {"fcproj dw", true, false, 3072, 768, 256},
    {"logits forward", false, true, 256, 50257, 768}, {"logits dx", false, false, 256, 768, 50257},
    {"logits dw", true, false, 50257, 768, 256},      {"square 64", false, false, 64, 64, 64},
    {"square 128", false, false, 128, 128, 128},      {"square 256", false, false, 256, 256, 256},
    {"square 512", false, false, 512, 512, 512},      {"square 1024", false, false, 1024, 1024, 1024},
    {"square 2048", false, false, 2048, 2048, 2048},  {"decode 1 nn", false, false, 1, 4096, 4096},
    {"decode 1 nt", false, true, 1, 4096, 4096},      {"decode 8 nn", false, false, 8, 4096, 4096},
    {"decode 8 nt", false, true, 8, 4096, 4096},      {"batch 16 nn", false, false, 16, 4096, 4096},
    {"batch 16 nt", false, true, 16, 4096, 4096},
};

using Sgemm = void (*)(int, int, int, int, int, int, float, const float *, int, const float *, int, float, float *,
                       int);

/// The limit: independent fused multiply-adds on all threads of the pool at once.
double fma_limit(int threads) {
#if defined(__x86_64__)
  constexpr int64_t kSteps = 5'000'000;
  const bool wide = __builtin_cpu_supports("avx512f") != 0;
  const auto run = [=] {
    if (wide)
      for (int64_t i = 0; i < kSteps; ++i)
        asm volatile("vfmadd231ps %%zmm0, %%zmm0, %%zmm8\n vfmadd231ps %%zmm0, %%zmm0, %%zmm9\n"
                     "vfmadd231ps %%zmm0, %%zmm0, %%zmm10\n vfmadd231ps %%zmm0, %%zmm0, %%zmm11\n"
                     "vfmadd231ps %%zmm0, %%zmm0, %%zmm12\n vfmadd231ps %%zmm0, %%zmm0, %%zmm13\n"
                     "vfmadd231ps %%zmm0, %%zmm0, %%zmm14\n vfmadd231ps %%zmm0, %%zmm0, %%zmm15\n" ::
                         : "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
    else
      for (int64_t i = 0; i < kSteps; ++i)
        asm volatile("vfmadd231ps %%ymm0, %%ymm0, %%ymm8\n vfmadd231ps %%ymm0, %%ymm0, %%ymm9\n"
                     "vfmadd231ps %%ymm0, %%ymm0, %%ymm10\n vfmadd231ps %%ymm0, %%ymm0, %%ymm11\n"
                     "vfmadd231ps %%ymm0, %%ymm0, %%ymm12\n vfmadd231ps %%ymm0, %%ymm0, %%ymm13\n"
                     "vfmadd231ps %%ymm0, %%ymm0, %%ymm14\n vfmadd231ps %%ymm0, %%ymm0, %%ymm15\n" ::
                         : "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
  };
  const auto start = Clock::now();
  std::vector<std::thread> others;
  for (int t = 1; t < threads; ++t)
    others.emplace_back(run);
  run();
  for (std::thread &other : others)
    other.join();
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return static_cast<double>(kSteps) * 8 * (wide ? 32 : 16) * threads / seconds * 1e-9;
#else
  return threads > 0 ? NAN : 0;
#endif
}

void check(aios_status status) {
  if (status == AIOS_STATUS_OK)
    return;
  std::fprintf(stderr, "%s: %s\n", aios_status_name(status), aios_last_error());
  std::exit(1);
}

/// Memory of the device, so that both libraries see the same pages.
class Matrix {
public:
  Matrix(int64_t count, uint32_t seed) : bytes_(count * static_cast<int64_t>(sizeof(float))) {
    void *memory = nullptr;
    check(aios_cpu_alloc(&memory, bytes_));
    data_ = static_cast<float *>(memory);
    for (int64_t i = 0; i < count; ++i) {
      seed = seed * 1664525u + 1013904223u;
      data_[i] = static_cast<float>(seed >> 8) * 0x1p-23f - 1.0f;
    }
  }
  ~Matrix() { check(aios_cpu_free(data_, bytes_)); }
  Matrix(const Matrix &) = delete;
  Matrix &operator=(const Matrix &) = delete;
  float *data() const { return data_; }
  double at(int64_t i) const { return static_cast<double>(data_[i]); }

private:
  int64_t bytes_;
  float *data_;
};

double median(std::vector<double> &values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

template <class F> double seconds(const F &f) {
  const auto start = Clock::now();
  f();
  return std::chrono::duration<double>(Clock::now() - start).count();
}

void run(const Shape &shape, aios_stream stream, Sgemm sgemm, int threads, int rounds) {
  aios_gemm_desc desc{};
  desc.m = shape.m;
  desc.n = shape.n;
  desc.k = shape.k;
  desc.batch = 1;
  desc.lda = shape.trans_a ? shape.m : shape.k;
  desc.ldb = shape.trans_b ? shape.k : shape.n;
  desc.ldc = shape.n;
  desc.trans_a = shape.trans_a;
  desc.trans_b = shape.trans_b;
  desc.alpha = 1.0f;
  const Matrix a(shape.m * shape.k, 1), b(shape.k * shape.n, 2), c(shape.m * shape.n, 3), peer_c(shape.m * shape.n, 4);
  const int64_t bytes = aios_gemm_workspace_size(&desc);
  void *workspace = nullptr;
  check(aios_cpu_alloc(&workspace, bytes));

  const double flops = 2.0 * static_cast<double>(shape.m) * static_cast<double>(shape.n) * static_cast<double>(shape.k);
  const int repeats = std::max(1, static_cast<int>(6e9 / flops));
  const auto ours = [&](int count) {
    for (int i = 0; i < count; ++i)
      check(aios_gemm(stream, c.data(), nullptr, a.data(), b.data(), nullptr, nullptr, workspace, bytes, &desc));
    check(aios_cpu_stream_synchronize(stream));
  };
  const auto peer = [&](int count) {
    for (int i = 0; i < count; ++i)
      sgemm(101, shape.trans_a ? 112 : 111, shape.trans_b ? 112 : 111, static_cast<int>(shape.m),
            static_cast<int>(shape.n), static_cast<int>(shape.k), 1.0f, a.data(), static_cast<int>(desc.lda), b.data(),
            static_cast<int>(desc.ldb), 0.0f, peer_c.data(), static_cast<int>(desc.ldc));
  };

  ours(1);
  for (int64_t sample = 0; sample < 500; ++sample) {
    const int64_t i = sample * 7919 % shape.m, j = sample * 104729 % shape.n;
    double sum = 0, magnitude = 0;
    for (int64_t k = 0; k < shape.k; ++k) {
      const double product = a.at(shape.trans_a ? k * shape.m + i : i * shape.k + k) *
                             b.at(shape.trans_b ? j * shape.k + k : k * shape.n + j);
      sum += product;
      magnitude += std::abs(product);
    }
    const double error = std::abs(c.at(i * shape.n + j) - sum);
    if (!(error <= magnitude * 1e-5)) {
      std::fprintf(stderr, "%s: element (%lld, %lld) is off by %g\n", shape.name, static_cast<long long>(i),
                   static_cast<long long>(j), error);
      std::exit(1);
    }
  }

  // The clock of a shared machine moves, so the limit is measured in every round too.
  std::vector<double> our_times, peer_times, limits;
  for (int round = 0; round < rounds; ++round) {
    limits.push_back(fma_limit(threads));
    ours(repeats); // wakes the workers and lets the system spread them over the processors
    our_times.push_back(seconds([&] { ours(repeats); }) / repeats);
    if (sgemm != nullptr) {
      peer(repeats); // the same for its threads
      peer_times.push_back(seconds([&] { peer(repeats); }) / repeats);
      std::this_thread::sleep_for(std::chrono::milliseconds(5)); // lets them stop spinning
    }
  }
  const double rate = flops / median(our_times) * 1e-9;
  std::printf("%-16s %6lld %6lld %6lld  %7.1f GFLOP/s  %5.1f %% of the limit", shape.name,
              static_cast<long long>(shape.m), static_cast<long long>(shape.n), static_cast<long long>(shape.k), rate,
              100 * rate / median(limits));
  if (sgemm != nullptr) {
    const double peer_rate = flops / median(peer_times) * 1e-9;
    std::printf("   OpenBLAS %7.1f (ours is %.2f x)", peer_rate, rate / peer_rate);
  }
  std::printf("\n");
  check(aios_cpu_free(workspace, bytes));
}

} // namespace

int main(int argc, char **argv) {
  const int rounds = argc > 1 ? std::max(1, std::atoi(argv[1])) : 9;
  const char *filter = argc > 2 ? argv[2] : "";
  void *library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
  const auto sgemm = library == nullptr ? nullptr : reinterpret_cast<Sgemm>(dlsym(library, "cblas_sgemm"));
  aios_cpu_info info;
  check(aios_cpu_get_info(&info));
  aios_stream stream = nullptr;
  check(aios_cpu_stream_create(&stream));
  std::printf("%s, %s, %d threads; FMA limit %.0f GFLOP/s; OpenBLAS %s\n", info.name, info.isa, info.threads,
              fma_limit(info.threads), sgemm == nullptr ? "not found" : "found");
  for (const Shape &shape : kShapes)
    if (std::strstr(shape.name, filter) != nullptr)
      run(shape, stream, sgemm, info.threads, rounds);
  check(aios_cpu_stream_destroy(stream));
  return 0;
}

// Grids, warps and barriers against results known beforehand.
#include "cudasim_test.h"

#include <numeric>
#include <set>
#include <vector>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

using namespace cudasim_test;

namespace {

__global__ void saxpy(int n, float a, const float *x, float *y) {
  int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < n)
    y[i] = a * x[i] + y[i];
}

TEST(Executor, ThreadsWithoutBarriersCoverTheGridOnce) {
  constexpr int n = 1000;
  std::vector<float> x(n), y(n, 1.0f);
  std::iota(x.begin(), x.end(), 0.0f);
  Outcome outcome = run(3, 8, 128, 0, saxpy, n, 2.0f, x.data(), y.data());
  ASSERT_TRUE(outcome.ok) << outcome.message;
  for (int i = 0; i < n; ++i)
    ASSERT_EQ(y[static_cast<size_t>(i)], 2.0f * static_cast<float>(i) + 1.0f);
  EXPECT_EQ(outcome.counters.threads, 1024u);
  EXPECT_LE(outcome.counters.switches, 8u) << "a thread that never waits must not cost a switch";
}

__global__ void where(unsigned *seen) {
  unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  atomicAdd(&seen[block * blockDim.x * blockDim.y * blockDim.z + thread], 1u);
}

TEST(Executor, IndicesOfThreeDimensions) {
  std::vector<unsigned> seen(2 * 3 * 5 * 4 * 3 * 2);
  Outcome outcome = run(1, Dim3(2, 3, 5), Dim3(4, 3, 2), 0, where, seen.data());
  ASSERT_TRUE(outcome.ok) << outcome.message;
  for (unsigned count : seen)
    ASSERT_EQ(count, 1u);
}

#if defined(__x86_64__)
/// Whether the upper halves of vector registers hold values: the processor's own account of it.
bool upper_registers_used() {
  uint32_t used, unused;
  asm volatile("xgetbv" : "=a"(used), "=d"(unused) : "c"(1));
  return (used & 4) != 0;
}

__global__ void look_at_registers(bool *used) {
  *used = upper_registers_used();
}

TEST(Executor, KernelsBeginWithClearUpperRegisters) {
  uint32_t features = 0, unused;
  if (!__builtin_cpu_supports("avx2") || !__get_cpuid_count(0xd, 1, &features, &unused, &unused, &unused) ||
      (features & 4) == 0)
    GTEST_SKIP() << "this processor does not tell of its vector registers";
  asm volatile("vzeroupper" ::: "memory");
  if (upper_registers_used())
    GTEST_SKIP() << "this processor does not follow the use of its vector registers";
  bool inside = true;
  asm volatile("vpcmpeqd %%ymm7, %%ymm7, %%ymm7" ::: "xmm7");
  ASSERT_TRUE(upper_registers_used());
  Outcome outcome = run(1, 1, 1, 0, look_at_registers, &inside);
  ASSERT_TRUE(outcome.ok) << outcome.message;
  EXPECT_FALSE(inside);
}
#endif

__global__ void block_sum(const float *x, float *sums) {
  Shared<float> partial(0);
  float sum = x[blockIdx.x * blockDim.x + threadIdx.x];
  for (int delta = 16; delta > 0; delta /= 2)
    sum += __shfl_xor_sync(0xffffffffu, sum, delta);
  if (threadIdx.x % 32 == 0)
    partial[threadIdx.x / 32] = sum;
  __syncthreads();
  if (threadIdx.x == 0) {
    float total = 0;
    for (unsigned w = 0; w < blockDim.x / 32; ++w)
      total += partial[w];
    sums[blockIdx.x] = total;
  }
}

TEST(Executor, BlockReductionIsExactWithEverySeed) {
  std::vector<float> x(4 * 256), sums(4);
  std::iota(x.begin(), x.end(), 0.0f);
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Outcome outcome = run(seed, 4, 256, 32, block_sum, x.data(), sums.data());
    ASSERT_TRUE(outcome.ok) << outcome.message;
    for (size_t b = 0; b < 4; ++b)
      ASSERT_EQ(sums[b], static_cast<float>(b * 256 * 256 + 255 * 128));
  }
}

__global__ void order(int *next, int *slots) {
  __syncthreads();
  slots[atomicAdd(next, 1)] = static_cast<int>(threadIdx.x);
}

TEST(Executor, TheSeedDecidesTheSchedule) {
  std::set<std::vector<int>> orders;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    std::vector<int> first(64), second(64);
    int next = 0;
    ASSERT_TRUE(run(seed, 1, 64, 0, order, &next, first.data()).ok);
    next = 0;
    ASSERT_TRUE(run(seed, 1, 64, 0, order, &next, second.data()).ok);
    EXPECT_EQ(first, second) << "the same seed must give the same schedule";
    orders.insert(first);
  }
  EXPECT_EQ(orders.size(), kSeeds);
}

__global__ void shuffles(int *results) {
  int lane = static_cast<int>(threadIdx.x);
  int *mine = results + 8 * lane;
  mine[0] = __shfl_sync(~0u, lane, 5);
  mine[1] = __shfl_sync(~0u, lane, 3, 8);
  mine[2] = __shfl_up_sync(~0u, lane, 2, 16);
  mine[3] = __shfl_down_sync(~0u, lane, 7);
  mine[4] = __shfl_xor_sync(~0u, lane, 9, 16);
  mine[5] = static_cast<int>(__ballot_sync(~0u, lane % 3 == 0));
  mine[6] = __any_sync(~0u, lane == 31);
  mine[7] = __all_sync(~0u, lane != 31);
}

TEST(Executor, ShufflesAndVotes) {
  std::vector<int> results(32 * 8);
  ASSERT_TRUE(run(1, 1, 32, 0, shuffles, results.data()).ok);
  for (int lane = 0; lane < 32; ++lane) {
    const int *mine = results.data() + 8 * lane;
    EXPECT_EQ(mine[0], 5);
    EXPECT_EQ(mine[1], lane / 8 * 8 + 3);
    EXPECT_EQ(mine[2], lane % 16 < 2 ? lane : lane - 2);
    EXPECT_EQ(mine[3], lane + 7 < 32 ? lane + 7 : lane);
    EXPECT_EQ(mine[4], lane / 16 * 16 + ((lane % 16) ^ 9));
    EXPECT_EQ(static_cast<unsigned>(mine[5]), 0x49249249u);
    EXPECT_EQ(mine[6], 1);
    EXPECT_EQ(mine[7], 0);
  }
}

/// Votes and shuffles of some lanes, while others are at other instructions.
__global__ void apart(unsigned *results) {
  unsigned lane = threadIdx.x, *mine = results + 5 * lane;
  bool third = lane % 3 == 0;
  if (lane < 16) {
    for (unsigned i = 0; i < 4; ++i)
      mine[0] = __ballot_sync(0x0000ffffu, third);
  } else if (lane < 24) {
    mine[0] = __shfl_xor_sync(0x00ff0000u, lane, 5);
  } else {
    __syncwarp(0xff000000u);
    mine[0] = 0;
  }
  if (lane < 4)
    mine[1] = __ballot_sync(0xfu, lane != 2); // the others are further on already
  if (lane >= 8)
    mine[2] = __ballot_sync(0xffffff00u, third);
  if (lane < 24) // lanes 0 to 7 may wait here for those that vote above
    mine[3] = __ballot_sync(0x00ffffffu, third);
  mine[4] = __ballot_sync(~0u, third);
}

TEST(Executor, LanesOfAWarpMayBeAtDifferentInstructions) {
  constexpr unsigned thirds = 0x49249249u;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    std::vector<unsigned> results(32 * 5);
    Outcome outcome = run(seed, 1, 32, 0, apart, results.data());
    ASSERT_TRUE(outcome.ok) << outcome.message;
    for (unsigned lane = 0; lane < 32; ++lane) {
      const unsigned *mine = results.data() + 5 * lane;
      EXPECT_EQ(mine[0], lane < 16 ? thirds & 0xffffu : lane < 24 ? lane ^ 5 : 0);
      EXPECT_EQ(mine[1], lane < 4 ? 0xbu : 0);
      EXPECT_EQ(mine[2], lane < 8 ? 0 : thirds & ~0xffu);
      EXPECT_EQ(mine[3], lane < 24 ? thirds & 0xffffffu : 0);
      EXPECT_EQ(mine[4], thirds);
    }
  }
}

__global__ void predicates(int *results) {
  int odd = static_cast<int>(threadIdx.x % 2);
  int count = __syncthreads_count(odd);
  int all = __syncthreads_and(odd);
  int any = __syncthreads_or(odd);
  atomicAdd(&results[0], count);
  atomicAdd(&results[1], all);
  atomicAdd(&results[2], any);
}

TEST(Executor, BarriersWithPredicates) {
  int results[3] = {};
  ASSERT_TRUE(run(1, 1, 96, 0, predicates, results).ok);
  EXPECT_EQ(results[0], 96 * 48);
  EXPECT_EQ(results[1], 0);
  EXPECT_EQ(results[2], 96);
}

/// Lanes access words `stride` apart, `Width` words each.
template <class T> __global__ void strided(unsigned stride, bool matrices) {
  Shared<T> tile(0);
  tile[threadIdx.x * stride / (sizeof(T) / 4)] = T{};
  if (matrices) {
    uint32_t fragment[1] = {};
    cuda::ptx::store_matrices(Shared<unsigned>(0).address(threadIdx.x % 8 * stride), fragment);
  }
}

TEST(Executor, BankConflictsAreCounted) {
  auto conflicts = [](auto kernel, unsigned stride, bool matrices) {
    Outcome outcome = sim::run_grid(sim::Launch{.name = "strided",
                                                .grid = 1,
                                                .block = 32,
                                                .cluster = 1,
                                                .shared_bytes = 32 * 32 * 16,
                                                .body = [=] { kernel(stride, matrices); },
                                                .seed = 1,
                                                .count_conflicts = true});
    EXPECT_TRUE(outcome.ok) << outcome.message;
    return outcome.counters.bank_conflicts;
  };
  EXPECT_EQ(conflicts(strided<float>, 1, false), 0u);
  EXPECT_EQ(conflicts(strided<float>, 2, false), 1u);
  EXPECT_EQ(conflicts(strided<float>, 32, false), 31u);
  EXPECT_EQ(conflicts(strided<float>, 33, false), 0u);
  EXPECT_EQ(conflicts(strided<float2>, 2, false), 0u) << "two halves of the warp";
  EXPECT_EQ(conflicts(strided<float4>, 4, false), 0u) << "four quarters";
  EXPECT_EQ(conflicts(strided<float4>, 32, false), 4u * 7);
  EXPECT_EQ(conflicts(strided<float4>, 32, true) - conflicts(strided<float4>, 32, false), 7u) << "rows in one bank";
  EXPECT_EQ(conflicts(strided<float4>, 4, true), 0u);
}

__global__ void wild(int *address) {
  *address = 1;
}

TEST(Executor, AnInvalidAddressIsAReport) {
  for (int i = 0; i < 2; ++i) { // and the next launch works
    Outcome outcome = run(1, 1, 64, 0, wild, reinterpret_cast<int *>(0x10));
    EXPECT_FALSE(outcome.ok);
    EXPECT_EQ(outcome.fault, Fault::address) << outcome.message;
    EXPECT_NE(outcome.message.find("0x10"), std::string::npos) << outcome.message;
    int word = 0;
    EXPECT_TRUE(run(1, 1, 64, 0, wild, &word).ok);
  }
}

TEST(Executor, LimitsOfTheLaunch) {
  EXPECT_EQ(run(1, 1, 1025, 0, wild, nullptr).fault, Fault::configuration);
  EXPECT_EQ(run(1, Dim3(1, 65536), 32, 0, wild, nullptr).fault, Fault::configuration);
  EXPECT_EQ(run(1, 1, 32, 232449, wild, nullptr).fault, Fault::configuration);
}

} // namespace

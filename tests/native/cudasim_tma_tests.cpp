// Tensor maps and what moves by them: boxes of 1 to 5 dimensions with ragged edges, every swizzle, stores, reductions,
// and copies between the blocks of a cluster.
#include "cudasim_numbers.h"

#include <numeric>

using namespace cudasim_test;

namespace {

constexpr uint32_t kTile = 1024; // offset of the box; the barrier is at 0
constexpr unsigned kBox[] = {8, 3, 2, 2, 2};
constexpr unsigned kExtents[] = {20, 5, 4, 3, 2};

/// A tensor of floats with `rank` dimensions, numbered from 1 on.
struct Tensor {
  explicit Tensor(unsigned rank_, bool nan_fill = false) : rank(rank_) {
    uint64_t extents[5], strides[5], stride = 4;
    uint32_t ones[] = {1, 1, 1, 1, 1};
    size_t count = 1;
    for (unsigned i = 0; i < rank; ++i) {
      extents[i] = kExtents[i];
      strides[i] = stride *= kExtents[i];
      count *= kExtents[i];
    }
    std::iota(values, values + count, 1.0f);
    std::string error =
        sim::encode_tensor_map(&map, {7, rank, values, extents, strides, kBox, ones, 0, 0, 0, nan_fill ? 1u : 0u});
    EXPECT_EQ(error, "");
  }
  /// The element of the box at coordinates `at`, or null outside the tensor.
  float *element(const int32_t *at, unsigned number) {
    size_t index = 0, scale = 1;
    for (unsigned i = 0; i < rank; ++i) {
      int coordinate = at[i] + static_cast<int>(number % kBox[i]);
      number /= kBox[i];
      if (coordinate < 0 || coordinate >= static_cast<int>(kExtents[i]))
        return nullptr;
      index += static_cast<size_t>(coordinate) * scale;
      scale *= kExtents[i];
    }
    return values + index;
  }
  unsigned box_elements() const { return std::accumulate(kBox, kBox + rank, 1u, std::multiplies<>()); }

  unsigned rank;
  alignas(16) float values[20 * 5 * 4 * 3 * 2] = {};
  TensorMap map;
};

template <int Rank> struct Coordinates { int32_t at[Rank]; };

__device__ uint32_t make_barrier() {
  uint32_t barrier = Shared<uint64_t>(0).address();
  if (threadIdx.x == 0) {
    mbarrier_init(barrier, 1);
    fence_mbarrier_init();
  }
  __syncthreads();
  return barrier;
}

template <int Rank>
__global__ void load(const __grid_constant__ TensorMap map, Coordinates<Rank> where, unsigned count, float *out) {
  uint32_t barrier = make_barrier();
  Shared<float> tile(kTile);
  if (threadIdx.x == 0) {
    mbarrier_arrive_expect(barrier, 4 * count);
    tensor_load(tile.address(), map, where.at, barrier);
  }
  mbarrier_wait(barrier, 0);
  for (unsigned i = threadIdx.x; i < count; i += blockDim.x)
    out[i] = tile[i];
}

template <int Rank, bool Add>
__global__ void store(const __grid_constant__ TensorMap map, Coordinates<Rank> where, unsigned count) {
  Shared<float> tile(kTile);
  for (unsigned i = threadIdx.x; i < count; i += blockDim.x)
    tile[i] = 1000.0f + static_cast<float>(i);
  fence_proxy_async();
  __syncthreads();
  if (threadIdx.x != 0)
    return;
  if constexpr (Add)
    tensor_add(map, where.at, tile.address());
  else
    tensor_store(map, where.at, tile.address());
  bulk_commit();
  bulk_wait<0>();
}

template <int Rank> void check_rank() {
  constexpr int32_t places[][5] = {{4, 1, 1, 0, 0}, {-3, -1, -1, -1, -1}, {17, 3, 3, 2, 1}, {-8, 5, 4, 3, 2}};
  for (const auto &place : places) {
    Coordinates<Rank> where;
    std::copy(place, place + Rank, where.at);
    Tensor tensor(Rank);
    unsigned count = tensor.box_elements();
    std::vector<float> out(count, -1.0f);
    Outcome outcome = run(Rank, 1, 64, 4096, load<Rank>, tensor.map, where, count, out.data());
    ASSERT_TRUE(outcome.ok) << outcome.message;
    for (unsigned i = 0; i < count; ++i) {
      const float *element = tensor.element(place, i);
      ASSERT_EQ(out[i], element != nullptr ? *element : 0.0f) << "rank " << Rank << ", element " << i;
    }
    for (bool add : {false, true}) {
      Tensor stored(Rank), expected(Rank);
      outcome = run(1, 1, 64, 4096, add ? store<Rank, true> : store<Rank, false>, stored.map, where, count);
      ASSERT_TRUE(outcome.ok) << outcome.message;
      for (unsigned i = 0; i < count; ++i)
        if (float *element = expected.element(place, i))
          *element = (add ? *element : 0.0f) + 1000.0f + static_cast<float>(i);
      ASSERT_EQ(std::memcmp(stored.values, expected.values, sizeof stored.values), 0) << "rank " << Rank;
    }
  }
}

TEST(Tma, BoxesOfEveryRankWithRaggedEdges) {
  check_rank<1>();
  check_rank<2>();
  check_rank<3>();
  check_rank<4>();
  check_rank<5>();
}

TEST(Tma, OutsideMayBeNan) {
  Tensor tensor(2, true);
  std::vector<float> out(24);
  ASSERT_TRUE(run(1, 1, 64, 4096, load<2>, tensor.map, Coordinates<2>{{16, 3}}, 24u, out.data()).ok);
  EXPECT_EQ(out[0], *tensor.element(std::begin({16, 3}), 0));
  EXPECT_TRUE(std::isnan(out[4])) << "behind the last column";
  EXPECT_TRUE(std::isnan(out[16])) << "below the last row";
}

/// One box of 16 rows, as bytes of shared memory.
__global__ void raw(const __grid_constant__ TensorMap map, unsigned bytes, unsigned char *out) {
  uint32_t barrier = make_barrier();
  Shared<unsigned char> tile(kTile);
  if (threadIdx.x == 0) {
    mbarrier_arrive_expect(barrier, bytes);
    tensor_load(tile.address(), map, {0, 0}, barrier);
  }
  mbarrier_wait(barrier, 0);
  for (unsigned i = threadIdx.x; i < bytes; i += blockDim.x)
    out[i] = tile[i];
}

TEST(Tma, Swizzles) {
  // The number of a 16-byte chunk is XORed with bits of the number of its 128-byte line.
  constexpr struct { unsigned swizzle, span, mask; } cases[] = {{0, 64, 0}, {1, 32, 1}, {2, 64, 3}, {3, 128, 7}};
  for (const auto &[swizzle, span, mask] : cases) {
    Integers matrix(Element::s8, 16, span, swizzle + 1);
    std::vector<unsigned char> out(16 * span);
    Outcome outcome = run(1, 1, 64, 4096, raw, matrix.map(16, span, swizzle), 16 * span, out.data());
    ASSERT_TRUE(outcome.ok) << outcome.message;
    for (unsigned i = 0; i < 16 * span; ++i) {
      unsigned chunk = i / 16, line = i / 128;
      ASSERT_EQ(out[(chunk ^ (line & mask)) * 16 + i % 16], matrix.data()[i])
          << "swizzle " << swizzle << ", byte " << i;
    }
  }
}

TEST(Tma, BadMapsAreRefused) {
  alignas(16) static float values[1024];
  uint64_t extents[] = {32, 8}, strides[] = {128};
  uint32_t box[] = {32, 4}, ones[] = {1, 1};
  sim::TensorMapSpec good{7, 2, values, extents, strides, box, ones, 0, 3, 0, 0};
  TensorMap map;
  EXPECT_EQ(sim::encode_tensor_map(&map, good), "");
  auto refused = [&](auto change, const char *text) {
    uint64_t extents_[] = {32, 8}, strides_[] = {128};
    uint32_t box_[] = {32, 4};
    sim::TensorMapSpec spec{7, 2, values, extents_, strides_, box_, ones, 0, 3, 0, 0};
    change(spec, extents_, strides_, box_);
    std::string error = sim::encode_tensor_map(&map, spec);
    EXPECT_NE(error.find(text), std::string::npos) << error;
  };
  refused([](auto &spec, auto...) { spec.address = values + 1; }, "not aligned to 16");
  refused([](auto &spec, auto...) { spec.rank = 6; }, "1 to 5 dimensions");
  refused([](auto &, auto *, auto *strides_, auto *) { strides_[0] = 120; }, "multiple of 16");
  refused([](auto &, auto *, auto *, auto *box_) { box_[1] = 257; }, "1 to 256");
  refused([](auto &, auto *, auto *, auto *box_) { box_[0] = 64; }, "swizzle spans");
  refused([](auto &, auto *, auto *, auto *box_) { box_[0] = 3; }, "multiple of 16");
  refused([](auto &, auto *extents_, auto *, auto *) { extents_[1] = 0; }, "extent");
}

/// Each block of a pair loads half of 64 floats for both, and sends its number to the other one.
__global__ void share(const __grid_constant__ TensorMap map, float *out) {
  Shared<float> tile(kTile), own(2048), others(2176);
  uint32_t rank = cluster_rank(), barrier = Shared<uint64_t>(0).address(), sent = Shared<uint64_t>(8).address();
  if (threadIdx.x == 0) {
    mbarrier_init(barrier, 1);
    mbarrier_init(sent, 2);
    fence_mbarrier_init();
  }
  own[threadIdx.x] = 100.0f * static_cast<float>(rank + 1);
  fence_proxy_async();
  cluster_arrive();
  cluster_wait();
  if (threadIdx.x == 0) {
    mbarrier_arrive_expect(barrier, 256);
    tensor_load_multicast(tile.address(32 * rank), map, {static_cast<int>(32 * rank)}, barrier, 3);
    mbarrier_arrive_expect(sent, 128);
    bulk_send(map_shared(others.address(), rank ^ 1), own.address(), 128, map_shared(sent, rank ^ 1));
  }
  if (threadIdx.x == 1)
    mbarrier_arrive_remote(map_shared(sent, rank ^ 1));
  mbarrier_wait(barrier, 0);
  mbarrier_wait(sent, 0);
  for (unsigned half = 0; half < 2; ++half)
    out[64 * rank + 32 * half + threadIdx.x] = tile[32 * half + threadIdx.x] + others[threadIdx.x];
  cluster_arrive();
  cluster_wait();
}

TEST(Tma, MulticastAndCopiesWithinACluster) {
  alignas(16) float values[64], out[128];
  std::iota(values, values + 64, 1.0f);
  uint64_t extents[] = {64};
  uint32_t box[] = {32}, ones[] = {1};
  TensorMap map;
  ASSERT_EQ(sim::encode_tensor_map(&map, {7, 1, values, extents, nullptr, box, ones, 0, 0, 0, 0}), "");
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Outcome outcome = sim::run_grid(sim::Launch{.name = "share",
                                                .grid = 2,
                                                .block = 32,
                                                .cluster = 2,
                                                .shared_bytes = 4096,
                                                .body = [&] { share(map, out); },
                                                .seed = seed});
    ASSERT_TRUE(outcome.ok) << outcome.message;
    for (unsigned i = 0; i < 128; ++i)
      ASSERT_EQ(out[i], values[i % 64] + (i < 64 ? 200.0f : 100.0f));
  }
}

} // namespace

// A warp-specialised product with TMA, mbarriers and wgmma, as the fast kernels are built: one producer warpgroup and
// two consumers over three stages, results through shared memory and a TMA store. Every mistake of `GemmBug` can be
// planted into it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "cudasim_test.h"
#include "native/simulator/instructions/formats.h"

namespace cudasim_test {

using namespace cuda::ptx;

enum class GemmBug {
  none,
  no_sync_after_init,
  no_fence_after_init,
  producer_phase,
  consumer_phase,
  no_expect,
  too_few_bytes,
  too_many_bytes,
  release_before_wait,
  everybody_releases,
  one_release_too_few,
  one_consumer_counted,
  no_wgmma_fence,
  no_commit,
  no_wait,
  early_read,
  misaligned_stage,
  descriptor_stride,
  no_proxy_fence,
  no_barrier_before_store,
  wrong_barrier_count,
  no_bulk_wait,
  output_over_stage,
  no_swizzle,
  tile_off_by_one,
  last_tile_missing,
};

struct GemmTile {
  static constexpr int rows = 128, columns = 64, depth = 64, stages = 3;
  static constexpr uint32_t a_bytes = rows * depth * 2, b_bytes = columns * depth * 2;
  static constexpr uint32_t a = 0, b = a + stages * a_bytes, out = b + stages * b_bytes;
  static constexpr uint32_t barriers = out + rows * columns * 2, bytes = barriers + 2 * stages * 8;
};

__global__ inline void gemm(const __grid_constant__ TensorMap map_a, const __grid_constant__ TensorMap map_b,
                            const __grid_constant__ TensorMap map_c, int depth, GemmBug bug) {
  using T = GemmTile;
  Shared<unsigned char> shared(0);
  auto full = [&](int s) { return shared.address(T::barriers + 8 * s); };
  auto empty = [&](int s) { return shared.address(T::barriers + 8 * (T::stages + s)); };
  int steps = (depth + T::depth - 1) / T::depth;
  int row = static_cast<int>(blockIdx.y) * T::rows, column = static_cast<int>(blockIdx.x) * T::columns;
  if (threadIdx.x == 0) {
    for (int s = 0; s < T::stages; ++s) {
      mbarrier_init(full(s), 1);
      mbarrier_init(empty(s), bug == GemmBug::one_consumer_counted ? 1 : 2);
    }
    if (bug != GemmBug::no_fence_after_init)
      fence_mbarrier_init();
  }
  if (bug != GemmBug::no_sync_after_init)
    __syncthreads();

  if (threadIdx.x < 128) {
    lower_registers<40>();
    if (threadIdx.x != 0)
      return;
    if (bug == GemmBug::last_tile_missing)
      steps = depth / T::depth;
    for (int k = 0; k < steps; ++k) {
      int s = k % T::stages;
      uint32_t phase = static_cast<uint32_t>(k / T::stages) & 1;
      mbarrier_wait(empty(s), bug == GemmBug::producer_phase ? phase : phase ^ 1);
      uint32_t bytes = T::a_bytes + T::b_bytes;
      if (bug == GemmBug::too_few_bytes)
        bytes = T::a_bytes;
      if (bug == GemmBug::too_many_bytes)
        bytes += 16;
      if (bug == GemmBug::no_expect)
        mbarrier_arrive(full(s));
      else
        mbarrier_arrive_expect(full(s), bytes);
      int at = bug == GemmBug::tile_off_by_one ? k * T::depth + 1 : k * T::depth;
      tensor_load(shared.address(T::a + static_cast<uint32_t>(s) * T::a_bytes), map_a, {at, row}, full(s));
      tensor_load(shared.address(T::b + static_cast<uint32_t>(s) * T::b_bytes), map_b, {at, column}, full(s));
    }
    return;
  }

  raise_registers<232>();
  uint32_t consumer = threadIdx.x / 128 - 1, warp = threadIdx.x % 128 / 32, lane = threadIdx.x % 32;
  float d[T::columns / 2] = {};
  if (bug == GemmBug::last_tile_missing)
    steps = depth / T::depth;
  for (int k = 0; k < steps; ++k) {
    int s = k % T::stages;
    uint32_t phase = static_cast<uint32_t>(k / T::stages) & 1;
    mbarrier_wait(full(s), bug == GemmBug::consumer_phase ? phase ^ 1 : phase);
    uint32_t a = shared.address(T::a + static_cast<uint32_t>(s) * T::a_bytes + consumer * 64 * 128);
    uint32_t b = shared.address(T::b + static_cast<uint32_t>(s) * T::b_bytes);
    if (bug == GemmBug::misaligned_stage)
      a += 128;
    uint32_t stride = bug == GemmBug::descriptor_stride ? 512 : 1024;
    if (bug != GemmBug::no_wgmma_fence)
      wgmma_fence();
    for (uint32_t kk = 0; kk < 4; ++kk)
      wgmma<Element::bf16>(d, matrix_descriptor(a, 16, stride, Swizzle::bytes128) + 2 * kk,
                           matrix_descriptor(b, 16, 1024, Swizzle::bytes128) + 2 * kk, true);
    if (bug != GemmBug::no_commit)
      wgmma_commit();
    bool releases = threadIdx.x % 128 == 0 || bug == GemmBug::everybody_releases;
    if (bug == GemmBug::one_release_too_few && consumer == 1 && k == 1)
      releases = false;
    if (bug == GemmBug::release_before_wait && releases)
      mbarrier_arrive(empty(s));
    if (bug != GemmBug::no_wait && !(bug == GemmBug::early_read && k == steps - 1))
      wgmma_wait<0>();
    if (bug != GemmBug::release_before_wait && releases)
      mbarrier_arrive(empty(s));
  }

  uint32_t out = shared.address(T::out + consumer * 64 * 128);
  if (bug == GemmBug::output_over_stage) // which the other consumer may still be reading
    out = shared.address(T::a + (1 - consumer) * 64 * 128);
  for (uint32_t j = 0; j < T::columns / 16; ++j) {
    uint32_t packed[4];
    for (uint32_t r = 0; r < 4; ++r) {
      const float *pair = d + 8 * j + 2 * r;
      packed[r] = sim::Bf16::encode(pair[0]) | sim::Bf16::encode(pair[1]) << 16;
    }
    uint32_t matrix = lane / 8, tile_row = warp * 16 + matrix % 2 * 8 + lane % 8, chunk = 2 * j + matrix / 2;
    if (bug != GemmBug::no_swizzle)
      chunk ^= tile_row & 7;
    store_matrices(out + tile_row * 128 + chunk * 16, packed);
  }
  if (bug == GemmBug::early_read)
    wgmma_wait<0>();
  if (bug != GemmBug::no_proxy_fence)
    fence_proxy_async();
  if (bug != GemmBug::no_barrier_before_store)
    bar_sync(1 + consumer, bug == GemmBug::wrong_barrier_count ? 160 : 128);
  if (threadIdx.x % 128 == 0) {
    tensor_store(map_c, {column, row + static_cast<int>(consumer) * 64}, out);
    bulk_commit();
    if (bug != GemmBug::no_bulk_wait)
      bulk_wait<0>();
  }
}

/// A row-major bf16 matrix and the map of its tiles.
struct GemmMatrix {
  GemmMatrix(int rows_, int columns_) : rows(rows_), columns(columns_), values(static_cast<size_t>(rows_ * columns_)) {}

  TensorMap map(uint32_t box_rows, uint32_t box_columns) {
    TensorMap map;
    uint64_t extents[] = {static_cast<uint64_t>(columns), static_cast<uint64_t>(rows)};
    uint64_t strides[] = {static_cast<uint64_t>(columns) * 2};
    uint32_t box[] = {box_columns, box_rows}, ones[] = {1, 1};
    std::string error =
        sim::encode_tensor_map(&map, sim::TensorMapSpec{static_cast<uint32_t>(sim::TensorType::bf16), 2, values.data(),
                                                        extents, strides, box, ones, 0, 3, 0, 0});
    EXPECT_EQ(error, "");
    return map;
  }
  float at(int row, int column) const { return sim::Bf16::decode(values[static_cast<size_t>(row * columns + column)]); }

  int rows, columns;
  std::vector<uint16_t> values;
};

struct GemmRun {
  Outcome outcome;
  int wrong = 0; // elements
};

/// C = A·Bᵀ on small integers, whose results are exact in bf16, against a triple loop.
inline GemmRun run_gemm(uint64_t seed, int m, int n, int k, GemmBug bug) {
  using T = GemmTile;
  GemmMatrix a(m, k), b(n, k), c(m, n);
  sim::Random random(seed);
  for (auto *matrix : {&a, &b})
    for (uint16_t &value : matrix->values)
      value = static_cast<uint16_t>(sim::Bf16::encode(static_cast<float>(random.below(3)) - 1.0f));
  std::fill(c.values.begin(), c.values.end(), uint16_t{0x7FC0});
  auto blocks = [](int size, int tile) { return static_cast<unsigned>((size + tile - 1) / tile); };
  GemmRun result;
  result.outcome = run(seed, Dim3(blocks(n, T::columns), blocks(m, T::rows)), 384, T::bytes, gemm, a.map(T::rows, 64),
                       b.map(T::columns, 64), c.map(64, 64), k, bug);
  for (int i = 0; i < m; ++i)
    for (int j = 0; j < n; ++j) {
      float sum = 0;
      for (int l = 0; l < k; ++l)
        sum += a.at(i, l) * b.at(j, l);
      result.wrong += c.at(i, j) != sum;
    }
  return result;
}

} // namespace cudasim_test

// wgmma in every format and layout: tiles come through TMA with the same swizzle, or are laid out by hand.
#include "cudasim_numbers.h"

using namespace cudasim_test;

namespace {

constexpr uint32_t kA = 1024, kB = kA + 8192, kBytes = kB + 256 * 128; // offsets of the tiles

struct Layout {
  Swizzle swizzle;
  unsigned span; // bytes of a row in a tile
};

/// Waits for the boxes that thread 0 loads: A at kA, and B at kB in `boxes` boxes of `box_bytes` along its rows'
/// dimension.
__device__ void load_tiles(const TensorMap &a, const TensorMap &b, uint32_t a_bytes, uint32_t box_bytes, int boxes) {
  Shared<unsigned char> shared(0);
  uint32_t barrier = shared.address(0);
  if (threadIdx.x == 0) {
    mbarrier_init(barrier, 1);
    fence_mbarrier_init();
    uint32_t bytes = a_bytes + box_bytes * static_cast<uint32_t>(boxes);
    mbarrier_arrive_expect(barrier, bytes);
    tensor_load(shared.address(kA), a, {0, 0}, barrier);
    for (int i = 0; i < boxes; ++i)
      tensor_load(shared.address(kB + static_cast<uint32_t>(i) * box_bytes), b, {64 * i, 0}, barrier);
  }
  __syncthreads();
  mbarrier_wait(barrier, 0);
}

template <Element E, int Count>
__global__ void contiguous_k(const __grid_constant__ TensorMap a, const __grid_constant__ TensorMap b, Layout layout,
                             const uint32_t (*registers)[4], Accumulator<E> (*out)[Count]) {
  load_tiles(a, b, 64 * layout.span, 2 * Count * layout.span, 1);
  Shared<unsigned char> shared(0);
  uint64_t da = matrix_descriptor(shared.address(kA), 16, 8 * layout.span, layout.swizzle);
  uint64_t db = matrix_descriptor(shared.address(kB), 16, 8 * layout.span, layout.swizzle);
  Accumulator<E> d[Count];
  for (auto &value : d)
    value = 100; // not added to
  wgmma_fence();
  for (unsigned k = 0; k < layout.span / 32; ++k) {
    if (registers != nullptr)
      wgmma<E>(d, registers[k * 128 + threadIdx.x], db + 2 * k, k > 0);
    else
      wgmma<E>(d, da + 2 * k, db + 2 * k, k > 0);
  }
  wgmma_commit();
  wgmma_wait<0>();
  for (int i = 0; i < Count; ++i)
    out[threadIdx.x][i] = d[i];
}

/// Register i of a thread holds this element of the product (PTX ISA, "Register Fragments for wgmma").
template <class Value, int Count> void check(Value (*out)[Count], const Integers &a, const Integers &b) {
  for (unsigned t = 0; t < 128; ++t)
    for (unsigned i = 0; i < Count; ++i) {
      unsigned row = t / 32 * 16 + t % 32 / 4 + i % 4 / 2 * 8, column = i / 4 * 8 + t % 4 * 2 + i % 2;
      ASSERT_EQ(out[t][i], static_cast<Value>(dot(a, row, b, column))) << row << "," << column;
    }
}

template <Element E, int Count> void check_contiguous_k(uint64_t seed) {
  static Accumulator<E> out[128][Count];
  for (Swizzle swizzle : {Swizzle::bytes32, Swizzle::bytes64, Swizzle::bytes128}) {
    unsigned span = 16u << static_cast<int>(swizzle), width = element_bytes(E);
    Integers a(E, 64, span / width, 3), b(E, 2 * Count, span / width, 4);
    auto map_a = a.map(64, span, static_cast<unsigned>(swizzle));
    auto map_b = b.map(2 * Count, span, static_cast<unsigned>(swizzle));
    // A of every step in registers, as each warp's 16 rows lie in those of mma: 4 bytes of K in each.
    static uint32_t registers[4 * 128][4];
    for (unsigned k = 0; k < span / 32; ++k)
      for (unsigned t = 0; t < 128; ++t)
        for (unsigned r = 0; r < 4; ++r) {
          unsigned row = t / 32 * 16 + t % 32 / 4 + r % 2 * 8, byte = 32 * k + t % 4 * 4 + r / 2 * 16;
          std::memcpy(&registers[k * 128 + t][r], a.data() + row * span + byte, 4);
        }
    for (auto *from_registers : {static_cast<uint32_t(*)[4]>(nullptr), registers}) {
      Outcome outcome =
          run(seed, 1, 128, kBytes, contiguous_k<E, Count>, map_a, map_b, Layout{swizzle, span}, from_registers, out);
      ASSERT_TRUE(outcome.ok) << outcome.message;
      check(out, a, b);
    }
  }
}

TEST(Wgmma, ContiguousAlongK) {
  check_contiguous_k<Element::f16, 128>(1);
  check_contiguous_k<Element::tf32, 64>(2);
  check_contiguous_k<Element::tf32, 100>(3);
  check_contiguous_k<Element::e4m3, 4>(4);
  check_contiguous_k<Element::e4m3, 116>(5);
  check_contiguous_k<Element::e5m2, 12>(6);
}

/// Every number of columns that the format has, each with a seed of its own.
template <Element E, int... Eights> void check_columns(std::integer_sequence<int, Eights...>) {
  auto check_one = [](auto eights) {
    if constexpr (has_columns<E>(8 * (eights + 1)))
      check_contiguous_k<E, 4 * (eights + 1)>(eights + 1);
  };
  (check_one(std::integral_constant<int, Eights>()), ...);
}

TEST(Wgmma, EveryNumberOfColumns) {
  check_columns<Element::bf16>(std::make_integer_sequence<int, 32>());
  check_columns<Element::s8>(std::make_integer_sequence<int, 32>());
  static_assert(has_columns<Element::s8>(24) && !has_columns<Element::s8>(40) && !has_columns<Element::bf16>(264));
}

__global__ void contiguous_rows(const __grid_constant__ TensorMap a, const __grid_constant__ TensorMap b,
                                float (*out)[64]) {
  load_tiles(a, b, 2048, 2048, 2); // 16 rows of K, 64 of A and twice 64 of B in each
  Shared<unsigned char> shared(0);
  float d[64] = {};
  wgmma_fence();
  wgmma<Element::bf16, true, true>(d, matrix_descriptor(shared.address(kA), 2048, 1024, Swizzle::bytes128),
                                   matrix_descriptor(shared.address(kB), 2048, 1024, Swizzle::bytes128), true);
  wgmma_commit();
  wgmma_wait<0>();
  for (int i = 0; i < 64; ++i)
    out[threadIdx.x][i] = d[i];
}

Integers transposed(const Integers &matrix) {
  Integers result(matrix.type, matrix.columns, matrix.rows, 1);
  for (unsigned i = 0; i < result.rows; ++i)
    for (unsigned j = 0; j < result.columns; ++j) {
      result.values[i * result.columns + j] = matrix.at(j, i);
      uint32_t bits = encode(matrix.type, matrix.at(j, i));
      std::memcpy(result.data() + (i * result.columns + j) * element_bytes(matrix.type), &bits,
                  element_bytes(matrix.type));
    }
  return result;
}

TEST(Wgmma, ContiguousAlongTheRows) {
  Integers a(Element::bf16, 64, 16, 5), b(Element::bf16, 128, 16, 6);
  Integers stored_a = transposed(a), stored_b = transposed(b);
  static float out[128][64];
  Outcome outcome = run(1, 1, 128, kBytes, contiguous_rows, stored_a.map(16, 128, 3), stored_b.map(16, 128, 3), out);
  ASSERT_TRUE(outcome.ok) << outcome.message;
  check(out, a, b);
}

__global__ void unswizzled(const unsigned *a, const unsigned *b, float (*out)[32]) {
  constexpr uint32_t leading = 128, stride = 256; // between patterns of 8 rows × 16 bytes along K, and along the rows
  Shared<unsigned> tile(0);
  for (unsigned i = threadIdx.x; i < 64 * 8; i += 128) { // 32 bytes a row
    unsigned row = i / 8, word = i % 8;
    uint32_t offset = row / 8 * stride + word / 4 * leading + row % 8 * 16 + word % 4 * 4;
    tile[(kA + offset) / 4] = a[i];
    tile[(kB + offset) / 4] = b[i];
  }
  fence_proxy_async();
  __syncthreads();
  float d[32] = {};
  wgmma_fence();
  wgmma<Element::f16>(d, matrix_descriptor(tile.address() + kA, leading, stride, Swizzle::none),
                      matrix_descriptor(tile.address() + kB, leading, stride, Swizzle::none), true);
  wgmma_commit();
  wgmma_wait<0>();
  for (int i = 0; i < 32; ++i)
    out[threadIdx.x][i] = d[i];
}

TEST(Wgmma, WithoutSwizzle) {
  Integers a(Element::f16, 64, 16, 8), b(Element::f16, 64, 16, 9);
  static float out[128][32];
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Outcome outcome = run(seed, 1, 128, kBytes, unswizzled, reinterpret_cast<unsigned *>(a.data()),
                          reinterpret_cast<unsigned *>(b.data()), out);
    ASSERT_TRUE(outcome.ok) << outcome.message;
    check(out, a, b);
  }
}

} // namespace

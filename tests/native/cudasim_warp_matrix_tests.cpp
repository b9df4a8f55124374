// mma.sync, ldmatrix, stmatrix and cp.async against the layouts of the PTX ISA, written here once more from its text.
#include "cudasim_numbers.h"

using namespace cudasim_test;

namespace {

struct Position {
  unsigned row, column;
};

// Element i of a lane's fragment of A and B, for elements of `width` bytes (PTX ISA, "Matrix Fragments for mma").
Position a_position(unsigned width, unsigned lane, unsigned i) {
  unsigned group = lane >> 2, thread = lane % 4;
  switch (width) {
  case 2:
    return {i < 2 || (i >= 4 && i < 6) ? group : group + 8, thread * 2 + (i & 1) + (i >= 4 ? 8 : 0)};
  case 4:
    return {i == 0 || i == 2 ? group : group + 8, i < 2 ? thread : thread + 4};
  default:
    return {i < 4 || (i >= 8 && i < 12) ? group : group + 8, thread * 4 + (i & 3) + (i >= 8 ? 16 : 0)};
  }
}
Position b_position(unsigned width, unsigned lane, unsigned i) {
  unsigned group = lane >> 2, thread = lane % 4;
  switch (width) {
  case 2:
    return {thread * 2 + (i & 1) + (i >= 2 ? 8 : 0), group};
  case 4:
    return {i == 0 ? thread : thread + 4, group};
  default:
    return {thread * 4 + (i & 3) + (i >= 4 ? 16 : 0), group};
  }
}

template <Element E> __global__ void multiply(const uint32_t (*a)[4], const uint32_t (*b)[2], Accumulator<E> (*d)[4]) {
  mma_m16n8<E>(d[threadIdx.x], a[threadIdx.x], b[threadIdx.x]);
}

template <Element E> void check_mma() {
  unsigned width = element_bytes(E), depth = 32 / width, pack = 4 / width;
  Integers a(E, 16, depth, 1), b(E, 8, depth, 2); // b: a row per column of the product
  uint32_t a_fragments[32][4] = {}, b_fragments[32][2] = {};
  Accumulator<E> d[32][4];
  for (unsigned lane = 0; lane < 32; ++lane) {
    for (unsigned i = 0; i < 4 * pack; ++i) {
      Position p = a_position(width, lane, i);
      a_fragments[lane][i / pack] |= encode(E, a.at(p.row, p.column)) << 8 * width * (i % pack);
    }
    for (unsigned i = 0; i < 2 * pack; ++i) {
      Position p = b_position(width, lane, i);
      b_fragments[lane][i / pack] |= encode(E, b.at(p.column, p.row)) << 8 * width * (i % pack);
    }
    for (auto &value : d[lane])
      value = 5;
  }
  Outcome outcome = run(1, 1, 32, 0, multiply<E>, a_fragments, b_fragments, d);
  ASSERT_TRUE(outcome.ok) << outcome.message;
  for (unsigned lane = 0; lane < 32; ++lane)
    for (unsigned i = 0; i < 4; ++i) {
      unsigned row = i < 2 ? lane >> 2 : (lane >> 2) + 8, column = lane % 4 * 2 + (i & 1);
      EXPECT_EQ(d[lane][i], static_cast<Accumulator<E>>(5 + dot(a, row, b, column))) << row << "," << column;
    }
}

TEST(WarpMatrix, Mma) {
  check_mma<Element::bf16>();
  check_mma<Element::f16>();
  check_mma<Element::tf32>();
  check_mma<Element::e4m3>();
  check_mma<Element::e5m2>();
  check_mma<Element::s8>();
}

/// Four matrices of halves, whose values are 64·matrix + 8·row + column, loaded and stored by either form.
template <bool Transposed, int Count> __global__ void load(uint32_t (*out)[4]) {
  Shared<uint16_t> matrices(0);
  for (unsigned i = threadIdx.x; i < 256; i += 32)
    matrices[i] = static_cast<uint16_t>(i);
  __syncwarp();
  uint32_t fragments[Count];
  load_matrices<Transposed>(fragments, matrices.address(8 * threadIdx.x));
  for (int i = 0; i < Count; ++i)
    out[threadIdx.x][i] = fragments[i];
}

template <bool Transposed, int Count> __global__ void store(uint16_t *out) {
  Shared<uint16_t> matrices(0);
  uint32_t fragments[Count];
  for (int i = 0; i < Count; ++i)
    fragments[i] = threadIdx.x * 2 | (threadIdx.x * 2 + 1) << 16 | static_cast<uint32_t>(i) * 0x00400040u;
  store_matrices<Transposed>(matrices.address(8 * threadIdx.x), fragments);
  __syncwarp();
  for (unsigned i = threadIdx.x; i < 64 * Count; i += 32)
    out[i] = matrices[i];
}

template <bool Transposed, int Count> void check_matrices() {
  uint32_t loaded[32][4];
  Outcome outcome = run(1, 1, 32, 512, load<Transposed, Count>, loaded);
  ASSERT_TRUE(outcome.ok) << outcome.message;
  uint16_t stored[256];
  outcome = run(1, 1, 32, 512, store<Transposed, Count>, stored);
  ASSERT_TRUE(outcome.ok) << outcome.message;
  for (unsigned lane = 0; lane < 32; ++lane)
    for (unsigned i = 0; i < Count; ++i)
      for (unsigned half = 0; half < 2; ++half) {
        // Each lane holds two neighbours of a row, or of a column, of 8×8 elements.
        unsigned row = lane / 4, column = lane % 4 * 2 + half;
        unsigned place = 64 * i + (Transposed ? 8 * column + row : 8 * row + column);
        EXPECT_EQ(loaded[lane][i] >> 16 * half & 0xFFFF, place);
        EXPECT_EQ(stored[place], lane * 2 + half + i * 0x40);
      }
}

TEST(WarpMatrix, LoadAndStoreMatrices) {
  check_matrices<false, 1>();
  check_matrices<false, 2>();
  check_matrices<false, 4>();
  check_matrices<true, 1>();
  check_matrices<true, 2>();
  check_matrices<true, 4>();
}

template <int Size> __global__ void copy(const unsigned char *source, unsigned char *out) {
  Shared<unsigned char> bytes(0);
  cp_async<Size>(bytes.address(Size * threadIdx.x), source + Size * threadIdx.x, threadIdx.x % (Size + 1));
  cp_async_commit();
  cp_async_wait<0>();
  for (int i = 0; i < Size; ++i)
    out[Size * threadIdx.x + i] = bytes[Size * threadIdx.x + i];
}

template <int Size> void check_copy() {
  alignas(16) unsigned char source[16 * 32], out[16 * 32];
  for (unsigned i = 0; i < sizeof source; ++i)
    source[i] = static_cast<unsigned char>(i % 251 + 1);
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Outcome outcome = run(seed, 1, 32, 512, copy<Size>, source, out);
    ASSERT_TRUE(outcome.ok) << outcome.message;
    for (unsigned t = 0; t < 32; ++t)
      for (unsigned i = 0; i < Size; ++i)
        ASSERT_EQ(out[Size * t + i], i < t % (Size + 1) ? source[Size * t + i] : 0) << "thread " << t << " byte " << i;
  }
}

TEST(WarpMatrix, AsynchronousCopiesFillWithZeros) {
  check_copy<4>();
  check_copy<8>();
  check_copy<16>();
}

__global__ void elected(int *counts) {
  atomicAdd(&counts[threadIdx.x / 32], elect_one() && elect_one());
}

TEST(WarpMatrix, OneLaneIsElectedTheSameEveryTime) {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    int counts[3] = {};
    ASSERT_TRUE(run(seed, 1, 96, 0, elected, counts).ok);
    EXPECT_EQ(counts[0] + counts[1] * 10 + counts[2] * 100, 111);
  }
}

} // namespace

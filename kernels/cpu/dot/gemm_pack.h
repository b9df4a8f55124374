// Packing for gemm.cpp: a panel holds `Width` rows of A or columns of B (its lanes) side by side, word after word of k:
// panel[k * Width + lane]. What lies beyond the matrix is 0, so that the tile kernel knows no edges.
#pragma once

#include "gemm_words.h"

namespace aios::AIOS_ISA {

/// Four floats: what a transposed 4 x 4 block stores at a time.
typedef float F4 __attribute__((vector_size(16)));

/// Four source rows of `W` consecutive k become W groups of four neighbouring lanes of the panel.
template <class T> AIOS_INLINE void pack_block(float *panel, int width, const T *source, int64_t pitch) {
  VU a = (VU)load(source, Full{}), b = (VU)load(source + pitch, Full{});
  VU c = (VU)load(source + 2 * pitch, Full{}), d = (VU)load(source + 3 * pitch, Full{});
  transpose4(a, b, c, d);
  F4 block[4][W / 4];
  memcpy(block[0], &a, sizeof a);
  memcpy(block[1], &b, sizeof b);
  memcpy(block[2], &c, sizeof c);
  memcpy(block[3], &d, sizeof d);
#pragma GCC unroll 4
  for (int i = 0; i < W / 4; i++)
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++)
      memcpy(panel + (4 * i + j) * width, &block[j][i], sizeof(F4));
}

/// Transposes the square matrix whose elements are the 128-bit blocks of so many vectors.
constexpr int kBlocks = W / 4;
AIOS_INLINE void transpose_blocks(VU (&v)[kBlocks]) {
#if defined(__AVX512F__)
  const __m512i a = _mm512_shuffle_i32x4((__m512i)v[0], (__m512i)v[1], 0x44);
  const __m512i b = _mm512_shuffle_i32x4((__m512i)v[2], (__m512i)v[3], 0x44);
  const __m512i c = _mm512_shuffle_i32x4((__m512i)v[0], (__m512i)v[1], 0xee);
  const __m512i d = _mm512_shuffle_i32x4((__m512i)v[2], (__m512i)v[3], 0xee);
  v[0] = (VU)_mm512_shuffle_i32x4(a, b, 0x88);
  v[1] = (VU)_mm512_shuffle_i32x4(a, b, 0xdd);
  v[2] = (VU)_mm512_shuffle_i32x4(c, d, 0x88);
  v[3] = (VU)_mm512_shuffle_i32x4(c, d, 0xdd);
#elif defined(__AVX2__)
  const __m256i a = (__m256i)v[0], b = (__m256i)v[1];
  v[0] = (VU)_mm256_permute2x128_si256(a, b, 0x20);
  v[1] = (VU)_mm256_permute2x128_si256(a, b, 0x31);
#else
  (void)v;
#endif
}

AIOS_INLINE void put_words(void *to, VU x) {
  memcpy(to, &x, sizeof x);
}

/// Words of the left operand carry the offset of the family.
template <class F, bool Left, class V> AIOS_INLINE V offset(V words) {
  if constexpr (F::kOffset && Left)
    return words ^ 0x80808080u;
  else
    return words;
}

/// Packs a matrix whose lanes are rows of memory: lane i, k lies at source[i * pitch + k]. `depth` counts elements.
template <class F, bool Left, int Width>
static void pack_rows(typename F::Word *panel, const typename F::In *source, int64_t pitch, int lanes, int64_t depth) {
  // So many groups of four lanes fill a vector, or all lanes of so many k do.
  constexpr int kLanes = Width / 4 < kBlocks ? Width / 4 : kBlocks, kDeep = kBlocks / kLanes;
  constexpr int G = F::kGroup;
  const int64_t words = (depth + G - 1) / G;
  const auto one = [&](int64_t k, int lane) {
    const uint32_t word = lane >= lanes ? 0
                                        : F::word(source + lane * pitch + k * G, 1,
                                                  static_cast<int>(depth - k * G < G ? depth - k * G : G));
    const uint32_t value = offset<F, Left>(word);
    memcpy(panel + k * Width + lane, &value, sizeof value);
  };
  int lane = 0;
  for (; lane + 4 * kLanes <= lanes; lane += 4 * kLanes) {
    int64_t k = 0;
    for (; (k + W) * G <= depth; k += W) {
      VU v[kLanes][4];
#pragma GCC unroll 4
      for (int l = 0; l < kLanes; l++) {
#pragma GCC unroll 4
        for (int r = 0; r < 4; r++)
          v[l][r] = F::row_words(source + (lane + 4 * l + r) * pitch + k * G);
        transpose4(v[l][0], v[l][1], v[l][2], v[l][3]);
      }
      // Block j of v[l][c] is now word 4 j + c of four lanes.
#pragma GCC unroll 4
      for (int c = 0; c < 4; c += kDeep) {
        VU set[kBlocks];
#pragma GCC unroll 4
        for (int i = 0; i < kBlocks; i++)
          set[i] = v[i % kLanes][c + i / kLanes];
        transpose_blocks(set);
#pragma GCC unroll 4
        for (int j = 0; j < kBlocks; j++)
          put_words(panel + (k + 4 * j + c) * Width + lane, offset<F, Left>(set[j]));
      }
    }
    for (; k < words; k++)
      for (int i = 0; i < 4 * kLanes; i++)
        one(k, lane + i);
  }
  for (; lane < Width; lane++)
    for (int64_t k = 0; k < words; k++)
      one(k, lane);
}

/// So many rows of memory ahead are fetched: where rows are far apart, nothing else does it.
constexpr int64_t kFetchRows = 16;

/// Packs a matrix whose lanes are neighbours in memory: lane i, k lies at source[k * pitch + i]. The lanes fill panels
/// that start `next` words apart; every row of memory is read once for all of them.
template <class F, bool Left, int Width>
static void pack_columns(typename F::Word *panel, int64_t next, const typename F::In *source, int64_t pitch, int lanes,
                         int64_t depth) {
  constexpr int G = F::kGroup;
  // A panel of A may be narrower than a vector.
  constexpr int kStep = Width < W ? Width : W;
  for (int64_t k = 0; k < depth; k += G, panel += Width, source += G * pitch) {
    const int count = static_cast<int>(depth - k < G ? depth - k : G);
    typename F::Word *to = panel;
    for (int lane = 0; lane < lanes; lane += Width, to += next)
#pragma GCC unroll 4
      for (int i = 0; i < Width; i += kStep) {
        const int real = lanes - lane - i < 0 ? 0 : lanes - lane - i;
        if constexpr (Left)
          __builtin_prefetch(source + kFetchRows * pitch + lane + i);
        const VU x = offset<F, Left>(real >= W ? F::column_words(source + lane + i, pitch, count, Full{})
                                               : F::column_words(source + lane + i, pitch, count, Tail{real}));
        memcpy(to + i, &x, kStep * sizeof(uint32_t));
      }
  }
}

/// Packs `lanes` lanes from `lane` on and k `first` .. `first` + depth of a matrix, in panels that start `next` words
/// apart. `rows` says that a lane is a row of memory.
template <class F, bool Left, int Width>
static void pack_panels(typename F::Word *panel, int64_t next, const typename F::In *matrix, int64_t pitch, bool rows,
                        int64_t lane, int64_t lanes, int64_t first, int64_t depth) {
  if (!rows)
    pack_columns<F, Left, Width>(panel, next, matrix + first * pitch + lane, pitch, static_cast<int>(lanes), depth);
  else
    for (; lanes > 0; lane += Width, lanes -= Width, panel += next)
      pack_rows<F, Left, Width>(panel, matrix + lane * pitch + first, pitch,
                                static_cast<int>(lanes < Width ? lanes : Width), depth);
}

/// Packs a panel of B. Where the family needs it, the first row says at which values the sums start.
template <class F, int Vectors>
static void pack_right(typename F::Word *panel, const typename F::In *matrix, int64_t pitch, bool rows, int64_t lane,
                       int64_t count, int64_t first, int64_t depth) {
  constexpr int kWidth = Vectors * W;
  const int64_t lanes = count - lane < kWidth ? count - lane : kWidth;
  pack_panels<F, false, kWidth>(panel + F::kOffset * kWidth, 0, matrix, pitch, rows, lane, lanes, first, depth);
  if constexpr (F::kOffset) {
    VI sum[Vectors] = {};
    const int64_t words = (depth + F::kGroup - 1) / F::kGroup;
    for (int64_t k = 1; k <= words; k++)
#pragma GCC unroll 4
      for (int j = 0; j < Vectors; j++)
        sum[j] = F::dot(sum[j], F::splat(0x80808080u), F::vector(panel + k * kWidth + j * W));
    for (int j = 0; j < Vectors; j++)
      put_words(panel + j * W, (VU)-sum[j]);
  }
}

} // namespace aios::AIOS_ISA

// Packing of matrices for gemm.cpp: a panel holds `width` rows of A or columns of B side by side, k after k, as
// binary32: panel[k * width + i]. Lanes beyond the matrix are 0, so that the tile kernel knows no edges.
#pragma once

#include "simd.h"

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

/// Packs a matrix whose lanes are rows of memory: lane i, k lies at source[i * pitch + k].
template <class T>
static void pack_rows(float *panel, int width, const T *source, int64_t pitch, int lanes, int64_t depth) {
  int lane = 0;
  for (; lane + 4 <= lanes; lane += 4) {
    const T *row = source + lane * pitch;
    float *to = panel + lane;
    int64_t k = 0;
    for (; k + W <= depth; k += W)
      pack_block(to + k * width, width, row + k, pitch);
    for (; k < depth; k++)
      for (int i = 0; i < 4; i++)
        to[k * width + i] = to_float(row[i * pitch + k]);
  }
  for (; lane < width; lane++)
    for (int64_t k = 0; k < depth; k++)
      panel[k * width + lane] = lane < lanes ? to_float(source[lane * pitch + k]) : 0.0f;
}

/// Packs a matrix whose lanes are neighbours in memory: lane i, k lies at source[k * pitch + i].
template <int Width, class T>
static void pack_columns(float *panel, const T *source, int64_t pitch, int lanes, int64_t depth) {
  // A panel of A may be narrower than a vector; it ends in one that is not full.
  constexpr int kWhole = Width / W * W;
  if (lanes == Width) {
    for (int64_t k = 0; k < depth; k++) {
      for (int i = 0; i < kWhole; i += W)
        store(panel + k * Width + i, load(source + k * pitch + i, Full{}), Full{});
      if constexpr (kWhole < Width)
        store(panel + k * Width + kWhole, load(source + k * pitch + kWhole, Tail{Width - kWhole}),
              Tail{Width - kWhole});
    }
    return;
  }
  for (int64_t k = 0; k < depth; k++)
    for (int i = 0; i < Width; i++)
      panel[k * Width + i] = i < lanes ? to_float(source[k * pitch + i]) : 0.0f;
}

/// Packs lanes `lane` .. `lane` + Width and k `first` .. `first` + depth of a matrix with `count` lanes. `rows` says
/// that a lane is a row of memory.
template <int Width, class T>
static void pack_panel(float *panel, const T *matrix, int64_t pitch, bool rows, int64_t lane, int64_t count,
                       int64_t first, int64_t depth) {
  const int lanes = static_cast<int>(count - lane < Width ? count - lane : Width);
  if (rows)
    pack_rows(panel, Width, matrix + lane * pitch + first, pitch, lanes, depth);
  else
    pack_columns<Width>(panel, matrix + first * pitch + lane, pitch, lanes, depth);
}

} // namespace aios::AIOS_ISA

// Products of many rows with weights that are multiplied in binary32 (I4, F8): the driver of qmatmul.cpp walks through
// strips and tiles as for integer codes (qtile.h), but a strip holds binary32 weights and the tile is that of GEMM.
#pragma once

#include "gemm_tile.h"
#include "qformat.h"

namespace aios::AIOS_ISA {

/// Length of k that is dequantised at a time.
constexpr int64_t kQFloatStretch = 256;

/// The activations as binary32 in the workspace: [tile][k][row], rows beyond the matrix 0.
struct FloatActivations {
  int64_t rows, cols;
  float *values;

  FloatActivations(void *memory, int64_t m, int64_t k)
      : rows(ceil_div(m, kTileRows) * kTileRows), cols(k), values(static_cast<float *>(memory)) {}

  int64_t bytes() const { return 4 * ceil_div(rows * cols, 16) * 16; }

  template <class T> void fill(const T *a, int64_t m, int64_t k, int64_t tile) const {
    for (int64_t i = 0; i < kTileRows; i++) {
      const int64_t r = tile * kTileRows + i;
      float *to = values + tile * kTileRows * k + i;
      for (int64_t j = 0; j < k; j++)
        to[j * kTileRows] = r < m ? to_float(a[r * k + j]) : 0.0f;
    }
  }
};

/// A stretch of a strip as binary32: [k][output].
struct FloatStrip {
  alignas(64) float weights[kQFloatStretch * kTileCols];

  void fill(const aios_qmatrix &w, int64_t row, int64_t count, int64_t first, int64_t depth) {
    static_assert(kQFloatStretch == kMaxBlock);
    float x[kMaxBlock];
    for (int i = 0; i < kTileCols; i++) {
      if (i < count)
        dequantise(x, w, row + i, first, depth);
      for (int64_t k = 0; k < depth; k++)
        weights[k * kTileCols + i] = i < count ? x[k] : 0.0f;
    }
  }
};

/// sums[row][output] += the products of one tile of activations with a stretch of a strip.
[[gnu::noinline]] static void multiply_tile(float *sums, const FloatStrip &strip, const FloatActivations &a,
                                            int64_t tile, int64_t first, int64_t depth, bool begins) {
  VF acc[kTileRows][kTileVectors];
#pragma GCC unroll 16
  for (int i = 0; i < kTileRows; i++)
#pragma GCC unroll 16
    for (int v = 0; v < kTileVectors; v++)
      acc[i][v] = begins ? zero() : load(sums + i * kTileCols + v * W, Full{});
  multiply(acc, a.values + (tile * a.cols + first) * kTileRows, 1, kTileRows, strip.weights, kTileCols, depth,
           FetchLeft{});
#pragma GCC unroll 16
  for (int i = 0; i < kTileRows; i++)
#pragma GCC unroll 16
    for (int v = 0; v < kTileVectors; v++)
      store(sums + i * kTileCols + v * W, acc[i][v], Full{});
}

} // namespace aios::AIOS_ISA

// Products with few rows (decoding): every element of B is used a handful of times, so that reading B once, in the
// order of memory, is what counts. B is not packed.
#pragma once

#include "gemm_tile.h"

namespace aios::AIOS_ISA {

/// Most rows of C that this path takes.
constexpr int64_t kSmallRows = 8;

/// Rows that the kernels are made for: the next one that holds m.
AIOS_INLINE int64_t small_rows(int64_t m) {
  return m <= 1 ? 1 : m <= 2 ? 2 : m <= 4 ? 4 : 8;
}

/// Vectors of a tile with so many rows, within the registers of any instruction set.
constexpr int small_vectors(int rows) {
  const int accumulators = kRegisters == 32 ? 24 : 8;
  const int vectors = accumulators / rows;
  return vectors > 8 ? 8 : vectors < 1 ? 1 : vectors;
}

/// Columns `n` .. `n` + `cols` of C for B stored [k][n]: a is packed as a[k * Rows + i].
template <int Rows, class In, class Out>
static void small_columns(const float *a, const In *b, int64_t ldb, int64_t depth, const Finish<Out> &finish, int64_t m,
                          int64_t n, int64_t cols) {
  constexpr int kVectors = small_vectors(Rows);
  alignas(64) float sums[Rows * kVectors * W];
  int64_t j = 0;
  for (; j + kVectors * W <= cols; j += kVectors * W) {
    VF acc[Rows][kVectors] = {};
    multiply(acc, a, 1, Rows, b + n + j, ldb, depth);
    for (int i = 0; i < Rows; i++)
      for (int v = 0; v < kVectors; v++)
        store(sums + (i * kVectors + v) * W, acc[i][v], Full{});
    finish_tile(finish, sums, kVectors * W, 0, n + j, m, kVectors * W);
  }
  for (; j < cols; j += W) {
    const Tail lanes{static_cast<int>(cols - j < W ? cols - j : W)};
    VF acc[Rows] = {};
    for (int64_t k = 0; k < depth; k++) {
      const VF row = load(b + k * ldb + n + j, lanes);
      for (int i = 0; i < Rows; i++)
        acc[i] = fma(set1(a[k * Rows + i]), row, acc[i]);
    }
    for (int i = 0; i < Rows; i++)
      store(sums + i * W, acc[i], Full{});
    finish_tile(finish, sums, W, 0, n + j, m, lanes.count);
  }
}

/// The same for B stored [n][k]: dot products of rows, lane by lane along k; a is packed as a[i * depth + k].
template <int Rows, int Cols, class In>
AIOS_INLINE void dot_tile(float *sums, const float *a, const In *b, int64_t ldb, int64_t depth) {
  VF acc[Rows][Cols] = {};
  const auto step = [&](int64_t k, auto lanes) {
    VF x[Rows];
#pragma GCC unroll 16
    for (int i = 0; i < Rows; i++)
      x[i] = load(a + i * depth + k, lanes);
#pragma GCC unroll 16
    for (int j = 0; j < Cols; j++) {
      const VF y = load(b + j * ldb + k, lanes);
#pragma GCC unroll 16
      for (int i = 0; i < Rows; i++)
        acc[i][j] = fma(x[i], y, acc[i][j]);
    }
  };
  for_vectors(depth, step);
  for (int i = 0; i < Rows; i++)
    for (int j = 0; j < Cols; j++)
      sums[i * Cols + j] = reduce_add(acc[i][j]);
}

template <int Rows, class In, class Out>
static void small_dots(const float *a, const In *b, int64_t ldb, int64_t depth, const Finish<Out> &finish, int64_t m,
                       int64_t n, int64_t cols) {
  constexpr int kCols = Rows == 8 ? (kRegisters == 32 ? 2 : 1) : small_vectors(Rows) > 4 ? 4 : small_vectors(Rows);
  float sums[Rows * kCols];
  int64_t j = 0;
  for (; j + kCols <= cols; j += kCols) {
    dot_tile<Rows, kCols>(sums, a, b + (n + j) * ldb, ldb, depth);
    finish_tile(finish, sums, kCols, 0, n + j, m, kCols);
  }
  for (; j < cols; j++) {
    dot_tile<Rows, 1>(sums, a, b + (n + j) * ldb, ldb, depth);
    finish_tile(finish, sums, 1, 0, n + j, m, 1);
  }
}

/// Columns `n` .. `n` + `cols` of C, with A packed for Rows rows (zero-padded) as the order of B asks.
template <int Rows, class In, class Out>
static void small_block(const float *a, const In *b, int64_t ldb, bool trans_b, int64_t depth,
                        const Finish<Out> &finish, int64_t m, int64_t n, int64_t cols) {
  if (trans_b)
    small_dots<Rows>(a, b, ldb, depth, finish, m, n, cols);
  else
    small_columns<Rows>(a, b, ldb, depth, finish, m, n, cols);
}

} // namespace aios::AIOS_ISA

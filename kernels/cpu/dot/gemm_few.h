// Products with few rows (decoding): every element of B is used a handful of times, so that reading B once, with enough
// of it under way, is what counts. B is not packed; the rows that come next are fetched while these are used.
#pragma once

#include "gemm_tile.h"

namespace aios::AIOS_ISA {

/// Most rows of C that this path takes.
constexpr int64_t kFewRows = 8;

/// Rows that the kernels are made for: the next one that holds m.
AIOS_INLINE int64_t few_rows(int64_t m) {
  return m <= 1 ? 1 : m <= 2 ? 2 : m <= 4 ? 4 : 8;
}

/// Vectors of a tile with so many rows, within the registers of any instruction set.
constexpr int few_vectors(int rows) {
  const int accumulators = kRegisters == 32 ? 24 : 8;
  const int vectors = accumulators / rows;
  return vectors > 8 ? 8 : vectors < 1 ? 1 : vectors;
}

/// Rows of B that are read side by side, and columns of a task: the sums of its columns stay in the L1 cache.
constexpr int64_t kFewDepth = 16;
constexpr int64_t kFewCols = 1024;

/// The left operand: element i, k lies at a[i * row_step + k * k_step].
struct Left {
  const float *a;
  int64_t row_step, k_step;
};

/// Fetches what lies `distance` elements after the row of B at hand.
template <class T, int Elements> struct FetchRight {
  int64_t distance;
  template <class A> __attribute__((always_inline)) void step(const A *, const T *b) const {
#pragma GCC unroll 16
    for (int i = 0; i < Elements; i += 64 / static_cast<int>(sizeof(T)))
      __builtin_prefetch(b + distance + i, 0, 2);
  }
};

/// Columns `n` .. `n` + `cols` of C for B stored [k][n]. `sums` has room for Rows x kFewCols.
template <int Rows, class In, class Out>
static void few_columns(const Left &left, const In *b, int64_t ldb, int64_t depth, const Finish<Out> &finish, int64_t m,
                        int64_t n, int64_t cols, float *sums) {
  using F = Floats<In>;
  constexpr int kVectors = few_vectors(Rows), kCols = kVectors * W;
  const int64_t whole = cols / kCols * kCols;
  int64_t k = 0;
  do {
    const int64_t count = depth - k < kFewDepth ? depth - k : kFewDepth;
    for (int64_t j = 0; j < whole; j += kCols) {
      VF acc[Rows][kVectors];
      float *tile = sums + j * Rows;
#pragma GCC unroll 8
      for (int i = 0; i < Rows; i++)
#pragma GCC unroll 8
        for (int v = 0; v < kVectors; v++)
          acc[i][v] = k == 0 ? zero() : load(tile + (i * kVectors + v) * W, Full{});
      multiply<F>(acc, left.a + k * left.k_step, left.row_step, left.k_step, b + k * ldb + n + j, ldb, count,
                  FetchRight<In, kCols>{kFewDepth * ldb});
#pragma GCC unroll 8
      for (int i = 0; i < Rows; i++)
#pragma GCC unroll 8
        for (int v = 0; v < kVectors; v++)
          store(tile + (i * kVectors + v) * W, acc[i][v], Full{});
    }
    k += count;
  } while (k < depth);
  for (int64_t j = 0; j < whole; j += kCols)
    finish_tile<VF>(finish, sums + j * Rows, kCols, 0, n + j, m, kCols);
  for (int64_t j = whole; j < cols; j += W) {
    const Tail lanes{static_cast<int>(cols - j < W ? cols - j : W)};
    VF acc[Rows] = {};
    for (k = 0; k < depth; k++) {
      const VF row = load(b + k * ldb + n + j, lanes);
      for (int i = 0; i < Rows; i++)
        acc[i] = fma(set1(left.a[i * left.row_step + k * left.k_step]), row, acc[i]);
    }
    for (int i = 0; i < m; i++)
      finish_vector(finish, acc[i], i, n + j, lanes);
  }
}

/// The same for B stored [n][k]: dot products of rows, lane by lane along k; the rows of A are contiguous.
template <int Rows, int Cols, class In>
AIOS_INLINE void dot_tile(float *sums, const Left &left, const In *b, int64_t ldb, int64_t depth) {
  VF acc[Rows][Cols] = {};
  for_vectors(depth, [&](int64_t k, auto lanes) {
    VF y[Cols];
#pragma GCC unroll 16
    for (int j = 0; j < Cols; j++) {
      y[j] = load(b + j * ldb + k, lanes);
      __builtin_prefetch(b + (j + Cols) * ldb + k, 0, 2);
    }
#pragma GCC unroll 16
    for (int i = 0; i < Rows; i++) {
      const VF x = load(left.a + i * left.row_step + k, lanes);
#pragma GCC unroll 16
      for (int j = 0; j < Cols; j++)
        acc[i][j] = fma(x, y[j], acc[i][j]);
    }
  });
  for (int i = 0; i < Rows; i++)
    for (int j = 0; j < Cols; j++)
      sums[i * W + j] = reduce_add(acc[i][j]);
}

template <int Rows, class In, class Out>
static void few_dots(const Left &left, const In *b, int64_t ldb, int64_t depth, const Finish<Out> &finish, int64_t m,
                     int64_t n, int64_t cols) {
  constexpr int kCols = Rows == 8 ? (kRegisters == 32 ? 2 : 1) : few_vectors(Rows) > 4 ? 4 : few_vectors(Rows);
  float sums[Rows * W];
  int64_t j = 0;
  for (; j + kCols <= cols; j += kCols) {
    dot_tile<Rows, kCols>(sums, left, b + (n + j) * ldb, ldb, depth);
    finish_tile<VF>(finish, sums, W, 0, n + j, m, kCols);
  }
  for (; j < cols; j++) {
    dot_tile<Rows, 1>(sums, left, b + (n + j) * ldb, ldb, depth);
    finish_tile<VF>(finish, sums, W, 0, n + j, m, 1);
  }
}

/// Columns `n` .. `n` + `cols` of C; A has Rows rows, of which m are real.
template <int Rows, class In, class Out>
static void few_block(const Left &left, const In *b, int64_t ldb, bool trans_b, int64_t depth,
                      const Finish<Out> &finish, int64_t m, int64_t n, int64_t cols, float *sums) {
  if (trans_b)
    few_dots<Rows>(left, b, ldb, depth, finish, m, n, cols);
  else
    few_columns<Rows>(left, b, ldb, depth, finish, m, n, cols, sums);
}

} // namespace aios::AIOS_ISA

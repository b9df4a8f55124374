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

/// Rows of B that are read side by side, and most columns of a task, whose sums stay in the L1 cache. Columns come in
/// multiples of kFewUnit, which holds whole tiles of every number of rows.
constexpr int64_t kFewDepth = 8;
constexpr int64_t kFewCols = 768;
constexpr int64_t kFewUnit = 384;

/// One row needs so few instructions for a line of B that the processor reads long runs ahead by itself, and faster
/// without our help; more rows need the fetching.
constexpr bool few_fetches(int rows) {
  return rows > 1;
}

/// The left operand: element i, k lies at a[i * row_step + k * k_step].
struct Left {
  const float *a;
  int64_t row_step, k_step;
};

/// Adds k `first` .. `next` to the sums of `Vectors` vectors of columns, of which the last may be partial.
template <int Rows, int Vectors, class In, class Lanes>
AIOS_INLINE void few_tile(float *sums, const Left &left, const In *b, int64_t ldb, int64_t first, int64_t next,
                          Lanes lanes, Ahead &ahead, int64_t share) {
  VF acc[Rows][Vectors];
#pragma GCC unroll 32
  for (int i = 0; i < Rows * Vectors; i++)
    acc[i / Vectors][i % Vectors] = first == 0 ? zero() : load(sums + i * W, Full{});
  for (int64_t k = first; k < next; k += 4) {
    const int64_t depth = next - k < 4 ? next - k : 4;
    const float *a = left.a + k * left.k_step;
    if constexpr (std::is_same_v<Lanes, Full>)
      multiply<Floats<In>>(acc, a, left.row_step, left.k_step, b + k * ldb, ldb, depth);
    else
      for (int64_t j = 0; j < depth; j++) {
        const VF row = load(b + (k + j) * ldb, lanes);
        for (int i = 0; i < Rows; i++)
          acc[i][0] = fma(set1(a[i * left.row_step + j * left.k_step]), row, acc[i][0]);
      }
    if constexpr (few_fetches(Rows))
      ahead.fetch(share);
  }
#pragma GCC unroll 32
  for (int i = 0; i < Rows * Vectors; i++)
    store(sums + i * W, acc[i / Vectors][i % Vectors], Full{});
}

/// Columns `n` .. `n` + `cols` of C for B stored [k][n]. `sums` has room for Rows x cols, rounded up to vectors.
template <int Rows, class In, class Out>
static void few_columns(const Left &left, const In *b, int64_t ldb, int64_t depth, const Finish<Out> &finish, int64_t m,
                        int64_t n, int64_t cols, float *sums) {
  constexpr int kVectors = few_vectors(Rows), kCols = kVectors * W;
  const int64_t whole = cols / kCols * kCols, tiles = cols / kCols + (cols - whole + W - 1) / W;
  int64_t k = 0;
  do { // once for an empty sum too
    const int64_t next = depth - k < kFewDepth ? depth : k + kFewDepth;
    // The next rows are fetched one after the other, not column by column: memory is fast along its rows.
    const int64_t rows = depth - next < kFewDepth ? depth - next : kFewDepth, size = sizeof(In);
    Ahead ahead(b + next * ldb + n, rows, cols * size, ldb * size);
    const int64_t share = ahead.lines() / (tiles * ((kFewDepth + 3) / 4)) + 1;
    for (int64_t j = 0; j < whole; j += kCols)
      few_tile<Rows, kVectors>(sums + j * Rows, left, b + n + j, ldb, k, next, Full{}, ahead, share);
    for (int64_t j = whole; j < cols; j += W)
      few_tile<Rows, 1>(sums + j * Rows, left, b + n + j, ldb, k, next,
                        Tail{static_cast<int>(cols - j < W ? cols - j : W)}, ahead, share);
    k = next;
  } while (k < depth);
  for (int64_t j = 0; j < whole; j += kCols)
    finish_tile<VF>(finish, sums + j * Rows, kCols, 0, n + j, m, kCols);
  for (int64_t j = whole; j < cols; j += W)
    finish_tile<VF>(finish, sums + j * Rows, W, 0, n + j, m, cols - j < W ? cols - j : W);
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
  constexpr int kCols = Rows == 8 ? (kRegisters == 32 ? 3 : 1) : few_vectors(Rows) > 4 ? 4 : few_vectors(Rows);
  float sums[Rows * W] = {}; // whole vectors are read back
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

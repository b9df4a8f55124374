// The tile kernel of gemm.cpp: a block of C that stays in registers while k runs, and what becomes of it then.
#pragma once

#include "aios_kernels.h"
#include "simd.h"
#include "vmath.h"

namespace aios::AIOS_ISA {

/// Rows and vectors of a tile. The accumulators, one row of B and one broadcast of A fill the registers: 24 + 3 + 1 of
/// 32 with AVX-512 and NEON, 12 + 3 + 1 of 16 with AVX2; without FMA the product needs a register too.
constexpr int kTileRows = kRegisters == 32 ? 8 : 4;
constexpr int kTileVectors = W == 4 && kRegisters == 16 ? 2 : 3;
constexpr int kTileCols = kTileVectors * W;
constexpr int kTileSize = kTileRows * kTileCols;

/// How far ahead, in floats, the left operand is fetched: about 400 cycles of a tile, the latency of L3.
constexpr int kFetchAhead = 32 * kTileRows;

/// acc[i][j] += sum over k of a[i * row_step + k * k_step] * b[k * pitch + j * W ...], in the order of k.
template <int Rows, int Vectors, bool Fetch = false, class T>
AIOS_INLINE void multiply(VF (&acc)[Rows][Vectors], const float *a, int64_t row_step, int64_t k_step, const T *b,
                          int64_t pitch, int64_t depth) {
  for (int64_t k = 0; k < depth; k++) {
    VF row[Vectors];
#pragma GCC unroll 16
    for (int j = 0; j < Vectors; j++)
      row[j] = load(b + j * W, Full{});
    if constexpr (Fetch)
      __builtin_prefetch(a + kFetchAhead);
#pragma GCC unroll 32
    for (int i = 0; i < Rows; i++) {
      const VF x = set1(a[i * row_step]);
#pragma GCC unroll 16
      for (int j = 0; j < Vectors; j++)
        acc[i][j] = fma(x, row[j], acc[i][j]);
    }
    a += k_step;
    b += pitch;
  }
}

/// What happens to a finished sum: epilogue(alpha sum + beta C). Pointers are to the first element of the matrix.
template <class T> struct Finish {
  T *c, *aux;
  const T *bias, *residual;
  int64_t ldc, ldr;
  float alpha, beta;
  aios_epilogue flags;

  /// Nothing but storing the sums.
  bool plain() const { return alpha == 1.0f && beta == 0.0f && flags == AIOS_EPILOGUE_NONE; }
};

/// 0.5 x (1 + tanh(u)) = x / (1 + exp(-2u)).
AIOS_INLINE VF gelu_tanh_value(VF x) {
  const VF u = fma(set1(0.044715f) * x * x, x, x) * set1(1.5957691216f); // 2 sqrt(2 / pi)
  return x * sigmoid(u);
}

/// Finishes one vector of sums at row `m`, column `n`.
template <class T, class Lanes>
AIOS_INLINE void finish_vector(const Finish<T> &f, VF sum, int64_t m, int64_t n, Lanes lanes) {
  VF x = set1(f.alpha) * sum;
  T *c = f.c + m * f.ldc + n;
  if (f.beta != 0.0f)
    x = fma(set1(f.beta), load(c, lanes), x);
  if (f.flags & AIOS_EPILOGUE_BIAS)
    x += load(f.bias + n, lanes);
  if (f.flags & AIOS_EPILOGUE_GELU_TANH) {
    if (f.aux != nullptr)
      store(f.aux + m * f.ldc + n, x, lanes);
    x = gelu_tanh_value(x);
  }
  if (f.flags & AIOS_EPILOGUE_RESIDUAL)
    x += load(f.residual + m * f.ldr + n, lanes);
  store(c, x, lanes);
}

/// Finishes `rows` x `cols` sums of a tile that was stored with row pitch `pitch`.
template <class T>
static void finish_tile(const Finish<T> &f, const float *sums, int64_t pitch, int64_t m, int64_t n, int64_t rows,
                        int64_t cols) {
  for (int64_t i = 0; i < rows; i++)
    for_vectors(
        cols, [&](int64_t j, auto lanes) { finish_vector(f, load(sums + i * pitch + j, lanes), m + i, n + j, lanes); });
}

/// One tile of C over a stretch of k. `sums` holds what earlier stretches left (null: nothing) and receives what this
/// one leaves, unless it is the last: then the tile is finished.
struct TileStep {
  const float *a, *b;
  int64_t depth;
  float *sums;
  bool first, last;
};

template <class T>
[[gnu::noinline]] static void run_tile(const TileStep &step, const Finish<T> &finish, int64_t m, int64_t n,
                                       int64_t rows, int64_t cols) {
  VF acc[kTileRows][kTileVectors];
#pragma GCC unroll 16
  for (int i = 0; i < kTileRows; i++)
#pragma GCC unroll 16
    for (int j = 0; j < kTileVectors; j++)
      acc[i][j] = step.first ? zero() : load(step.sums + i * kTileCols + j * W, Full{});
  multiply<kTileRows, kTileVectors, true>(acc, step.a, 1, kTileRows, step.b, kTileCols, step.depth);
  if (step.last && finish.plain() && rows == kTileRows && cols == kTileCols) {
#pragma GCC unroll 16
    for (int i = 0; i < kTileRows; i++)
#pragma GCC unroll 16
      for (int j = 0; j < kTileVectors; j++)
        store(finish.c + (m + i) * finish.ldc + n + j * W, acc[i][j], Full{});
    return;
  }
  alignas(64) float local[kTileSize];
  float *to = step.last ? local : step.sums;
#pragma GCC unroll 16
  for (int i = 0; i < kTileRows; i++)
#pragma GCC unroll 16
    for (int j = 0; j < kTileVectors; j++)
      store(to + i * kTileCols + j * W, acc[i][j], Full{});
  if (step.last)
    finish_tile(finish, local, kTileCols, m, n, rows, cols);
}

} // namespace aios::AIOS_ISA

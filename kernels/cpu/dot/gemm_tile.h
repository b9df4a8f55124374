// The tile kernel of gemm.cpp: a block of C that stays in registers while k runs, and what becomes of it then.
#pragma once

#include "aios_kernels.h"
#include "gemm_words.h"
#include "vmath.h"

namespace aios::AIOS_ISA {

/// Rows and most vectors of a tile. The accumulators, one row of B and one broadcast of A fill the registers: 24 + 3 +
/// 1 of 32 with AVX-512, 12 + 3 + 1 of 16 with AVX2; without FMA the product needs a register too.
constexpr int kTileRows = kRegisters == 32 ? 8 : 4;
constexpr int kTileVectors = W == 4 && kRegisters == 16 ? 2 : 3;
constexpr int kTileCols = kTileVectors * W;
constexpr int kTileSize = kTileRows * kTileCols;

struct NoStep {
  template <class... P> AIOS_INLINE void step(P...) {}
};

/// acc[i][j] += sum over k of a[i * row_step + k * k_step] * b[k * pitch + j * W ...], in the order of k. `each` is
/// told where A and B are in every step.
template <class F = Floats<float>, int Rows, int Vectors, class T, class Each = NoStep>
AIOS_INLINE void multiply(typename F::Sum (&acc)[Rows][Vectors], const typename F::Word *a, int64_t row_step,
                          int64_t k_step, const T *b, int64_t pitch, int64_t depth, Each each = {}) {
  for (int64_t k = 0; k < depth; k++) {
    typename F::Vector row[Vectors];
#pragma GCC unroll 16
    for (int j = 0; j < Vectors; j++)
      row[j] = F::vector(b + j * W);
    each.step(a, b);
#pragma GCC unroll 32
    for (int i = 0; i < Rows; i++) {
      const typename F::Vector x = F::splat(a[i * row_step]);
#pragma GCC unroll 16
      for (int j = 0; j < Vectors; j++)
        acc[i][j] = F::dot(acc[i][j], x, row[j]);
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

  /// Nothing but storing alpha times the sums.
  bool plain() const { return beta == 0.0f && flags == AIOS_EPILOGUE_NONE; }
};

/// 0.5 x (1 + tanh(u)) = x / (1 + exp(-2u)).
AIOS_INLINE VF gelu_tanh_value(VF x) {
  const VF u = fma(set1(0.044715f) * x * x, x, x) * set1(1.5957691216f); // 2 sqrt(2 / pi)
  return x * sigmoid(u);
}

/// The sum as binary32.
AIOS_INLINE VF real(VF sum) {
  return sum;
}
AIOS_INLINE VF real(VI sum) {
  return __builtin_convertvector(sum, VF);
}

/// Finishes one vector of sums at row `m`, column `n`.
template <class T, class Sum, class Lanes>
AIOS_INLINE void finish_vector(const Finish<T> &f, Sum sum, int64_t m, int64_t n, Lanes lanes) {
  VF x = set1(f.alpha) * real(sum);
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

/// Sums that stay integers: alpha is 1, beta 0 or 1, and there is no epilogue.
template <class Lanes>
AIOS_INLINE void finish_vector(const Finish<int32_t> &f, VI sum, int64_t m, int64_t n, Lanes lanes) {
  uint32_t *c = reinterpret_cast<uint32_t *>(f.c) + m * f.ldc + n;
  store_words(c, f.beta != 0.0f ? load_words(c, lanes) + (VU)sum : (VU)sum, lanes);
}

/// Finishes `rows` x `cols` sums of a tile that was stored with row pitch `pitch`.
template <class Sum, class T, class Scalar>
static void finish_tile(const Finish<T> &f, const Scalar *sums, int64_t pitch, int64_t m, int64_t n, int64_t rows,
                        int64_t cols) {
  for (int64_t i = 0; i < rows; i++)
    for_vectors(cols, [&](int64_t j, auto lanes) {
      Sum sum;
      memcpy(&sum, sums + i * pitch + j, sizeof sum); // the rows of a stored tile are whole vectors
      finish_vector(f, sum, m + i, n + j, lanes);
    });
}

/// Lines of memory that are fetched into L2 some at a time while tiles are computed: the next stretch of B.
class Ahead {
public:
  Ahead() = default;
  Ahead(const void *start, int64_t rows, int64_t bytes, int64_t pitch)
      : line_(static_cast<const char *>(start)), row_(line_), rows_(rows), bytes_(bytes), pitch_(pitch) {}

  /// Lines of the region, when rows start anywhere in a line.
  int64_t lines() const { return rows_ * (bytes_ / 64 + 1); }

  __attribute__((AIOS_ALWAYS_INLINE)) void fetch(int64_t count) {
    for (; count > 0 && rows_ > 0; count--) {
      __builtin_prefetch(line_, 0, 2);
      line_ += 64;
      if (line_ >= row_ + bytes_) {
        row_ += pitch_;
        line_ = row_;
        rows_--;
      }
    }
  }

private:
  const char *line_ = nullptr, *row_ = nullptr;
  int64_t rows_ = 0, bytes_ = 0, pitch_ = 0;
};

/// One tile of C over a stretch of k. `sums` holds what earlier stretches left and receives what this one leaves,
/// unless it is the last: then the tile is finished. Element i, k of A is a[i * row_step + k * k_step].
template <class F> struct TileStep {
  const typename F::Word *a, *b;
  int64_t row_step, k_step, pitch;
  int64_t depth; ///< In words.
  typename F::Word *sums;
  bool first, last;
  Ahead *ahead;
  int64_t share; ///< Lines that are fetched every kBurst words.
};

/// Steps of k between two looks at what has to be fetched.
constexpr int64_t kBurst = 16;

/// How far ahead, in words, a packed panel of A is fetched: about 400 cycles of a tile, the latency of L3.
constexpr int kFetchAhead = 32 * kTileRows;
struct FetchLeft {
  template <class A, class B> __attribute__((AIOS_ALWAYS_INLINE)) void step(const A *a, const B *) const {
    __builtin_prefetch(a + kFetchAhead);
  }
};

/// Packed says that A and B are panels, whose strides are constants.
template <class F, int Vectors, bool Packed, class T>
[[gnu::noinline]] static void run_tile(const TileStep<F> &step, const Finish<T> &finish, int64_t m, int64_t n,
                                       int64_t rows, int64_t cols) {
  using Sum = typename F::Sum;
  constexpr int kCols = Vectors * W;
  const bool whole = rows == kTileRows && cols == kCols;
  T *c = finish.c + m * finish.ldc + n;
  if (step.last && whole)
#pragma GCC unroll 16
    for (int i = 0; i < kTileRows; i++)
#pragma GCC unroll 4
      for (int j = 0; j < kCols * static_cast<int>(sizeof(T)); j += 64)
        __builtin_prefetch(reinterpret_cast<char *>(c + i * finish.ldc) + j, 1);
  Sum acc[kTileRows][Vectors];
#pragma GCC unroll 16
  for (int i = 0; i < kTileRows; i++)
#pragma GCC unroll 16
    for (int j = 0; j < Vectors; j++) {
      acc[i][j] = Sum{};
      if (!step.first)
        memcpy(&acc[i][j], step.sums + i * kCols + j * W, sizeof(Sum));
      if constexpr (F::kOffset)
        acc[i][j] += (Sum)load_words(step.b + j * W, Full{});
    }
  const typename F::Word *b = step.b + F::kOffset * kCols;
  if constexpr (Packed) {
    for (int64_t k = 0; k < step.depth; k += kBurst) {
      const int64_t depth = step.depth - k < kBurst ? step.depth - k : kBurst;
      multiply<F>(acc, step.a + k * kTileRows, 1, kTileRows, b + k * kCols, kCols, depth, FetchLeft{});
      step.ahead->fetch(step.share);
    }
  } else {
    multiply<F>(acc, step.a, step.row_step, step.k_step, b, step.pitch, step.depth);
  }
  if (step.last && whole && finish.plain()) {
#pragma GCC unroll 16
    for (int i = 0; i < kTileRows; i++)
#pragma GCC unroll 16
      for (int j = 0; j < Vectors; j++)
        finish_vector(Finish<T>{c, nullptr, nullptr, nullptr, finish.ldc, 0, finish.alpha, 0.0f, AIOS_EPILOGUE_NONE},
                      acc[i][j], i, j * W, Full{});
    return;
  }
  alignas(64) typename F::Word local[kTileRows * kCols];
  typename F::Word *to = step.last ? local : step.sums;
#pragma GCC unroll 16
  for (int i = 0; i < kTileRows; i++)
#pragma GCC unroll 16
    for (int j = 0; j < Vectors; j++)
      memcpy(to + i * kCols + j * W, &acc[i][j], sizeof(Sum));
  if (step.last)
    finish_tile<Sum>(finish, local, kCols, m, n, rows, cols);
}

} // namespace aios::AIOS_ISA

// The kernels of LayerNorm and RMSNorm: one template, which differs in whether the mean is subtracted.
//
// Forward: out = (x - mean) * rstd * weight + bias, with mean = 0 and no bias for RMSNorm. A row is read three times
// (mean, variance, result) while it sits in the first-level cache; sums over blocks are joined in double. Some rows
// take each of these steps before any takes the next, so that the end of a row's sum, which is a chain of dependent
// instructions as long as the sum itself, has company.
// Backward, with g = dout * weight and h = (x - mean) * rstd:
//   dx = rstd * (g - mean(g) - h * mean(g h)), without mean(g) for RMSNorm
//   dweight = sum over rows of dout * h, dbias = sum over rows of dout
// The rows are cut into chunks that depend on the shape only. Each chunk sums its share of dweight and dbias into its
// own slice of the workspace ([chunk][2][cols] floats), and the slices are added in chunk order.
#pragma once

#include "loops.h"

namespace aios::AIOS_ISA {

AIOS_INLINE int64_t norm_chunk_rows(int64_t rows, int64_t cols) {
  constexpr int64_t kMostChunks = 256;
  return max64(ceil_div(rows, kMostChunks), max64(1, kTaskElements / max64(1, cols)));
}

/// Rows that take their steps together: no more than stay in the first-level cache.
constexpr int kRows = W == 16 ? 4 : 2;
constexpr int64_t kRowsBytes = 24576;

/// Calls f(Count<R>{}, r) for groups of R = kRows rows of `bytes` bytes each, and with R = 1 for what is left.
template <int R> struct Count {};
template <class F> AIOS_INLINE void for_rows(int64_t begin, int64_t end, int64_t bytes, const F &f) {
  int64_t r = begin;
  if (kRows * bytes <= kRowsBytes)
    for (; r + kRows <= end; r += kRows)
      f(Count<kRows>{}, r);
  for (; r < end; r++)
    f(Count<1>{}, r);
}

/// x * weight[i], or x without weights.
template <class V, class T, class Lanes> AIOS_INLINE V weigh(const V &x, const T *weight, int64_t i, Lanes lanes) {
  return weight ? x * load(weight + i, lanes) : x;
}

template <class T, bool Centered> struct NormForward {
  T *out;
  float *mean, *rstd;
  const T *x, *weight, *bias;
  int64_t rows, cols;
  float epsilon;

  void operator()(Team &team) const {
    if (cols == 0)
      return;
    parallel_ranges(team, rows, cols, 1, [this](int64_t begin, int64_t end) {
      for_rows(begin, end, cols * static_cast<int64_t>(sizeof(T)), [this](auto count, int64_t r) { group(count, r); });
      stream_fence();
    });
  }

  template <int R> [[gnu::flatten]] void group(Count<R>, int64_t first) const {
    const int64_t n = cols;
    const double length = static_cast<double>(n);
    const T *in[R];
    double center[R] = {}, squares[R];
    for (int k = 0; k < R; k++)
      in[k] = x + (first + k) * n;
    if constexpr (Centered)
      for (int k = 0; k < R; k++)
        center[k] = sum_blocks(n, [row = in[k]](int64_t i, auto lanes) { return load(row + i, lanes); }) / length;
    for (int k = 0; k < R; k++)
      squares[k] = sum_blocks(n, [row = in[k], mu = set1(static_cast<float>(center[k]))](int64_t i, auto lanes) {
        const auto d = Centered ? load(row + i, lanes) - mu : load(row + i, lanes);
        return d * d;
      });
    for (int k = 0; k < R; k++) {
      const double inverse = 1.0 / std::sqrt(squares[k] / length + static_cast<double>(epsilon));
      if (mean)
        mean[first + k] = static_cast<float>(center[k]);
      if (rstd)
        rstd[first + k] = static_cast<float>(inverse);
      finish(first + k, R, set1(static_cast<float>(center[k])), set1(static_cast<float>(inverse)));
    }
  }

  /// The result of row r; fetches the row `ahead` rows below.
  void finish(int64_t r, int64_t ahead, VF mu, VF scale) const {
    const T *in = x + r * cols, *w = weight, *shift = bias; // locals: stores cannot change them
    T *to = out + r * cols;
    const int64_t distance = ahead * cols;
    const auto part = [=](T *to_part, int64_t begin, int64_t n) {
      for_packs(n, [=](int64_t k, auto lanes) {
        const int64_t i = begin + k;
        const auto value = load(in + i, lanes);
        auto y = weigh((Centered ? value - mu : value) * scale, w, i, lanes);
        if (shift)
          y = y + load(shift + i, lanes);
        store(to_part + k, y, lanes);
        fetch(in + distance + i, lanes);
      });
    };
    if (out != x && rows * cols * static_cast<int64_t>(sizeof(T)) >= kStreamBytes)
      stream_row(to, cols, part);
    else
      part(to, 0, cols);
  }
};

template <class T, bool Centered> struct NormBackward {
  T *dx, *dweight, *dbias;
  const T *dout, *x, *weight;
  const float *mean, *rstd;
  float *workspace;
  int64_t rows, cols;
  bool accumulate_dx, accumulate_params;

  void operator()(Team &team) const {
    if (cols == 0)
      return;
    const int64_t chunk_rows = norm_chunk_rows(rows, cols);
    const int64_t chunks = ceil_div(rows, chunk_rows);
    const int64_t row_bytes = cols * static_cast<int64_t>(sizeof(T));
    const bool past_caches = rows * row_bytes >= kStreamBytes && !accumulate_dx && dx != dout && dx != x &&
                             row_bytes % static_cast<int64_t>(sizeof(VF)) == 0 && to_alignment(dx) == 0;
    team.parallel_for(chunks, [=, this](int64_t chunk, int) {
      float *partial = dweight || dbias ? workspace + chunk * 2 * cols : nullptr;
      if (partial)
        memset(partial, 0, sizeof(float) * 2 * static_cast<size_t>(cols));
      for (int64_t r = chunk * chunk_rows; r < min64(rows, (chunk + 1) * chunk_rows); r++)
        past_caches ? row<true>(r, partial) : row<false>(r, partial);
      if (past_caches)
        stream_fence();
    });
    if (dweight || dbias)
      parallel_ranges(team, cols, 2 * chunks, 64, [=, this](int64_t begin, int64_t end) {
        combine(dweight, workspace, chunks, begin, end);
        combine(dbias, workspace + cols, chunks, begin, end);
      });
  }

  template <bool kStream> [[gnu::flatten]] void row(int64_t r, float *partial) const {
    const T *in = x + r * cols, *up = dout + r * cols;
    T *to = dx + r * cols;
    const VF mu = set1(Centered ? mean[r] : 0.0f), scale = set1(rstd[r]);
    const T *w = weight; // locals: stores cannot change them
    const bool add = accumulate_dx;
    const int64_t n = cols;
    double sums[2] = {0.0, 0.0}; // of g h and of g
    if constexpr (Centered)
      sum_blocks(sums, n, [=](int64_t i, auto lanes) {
        const auto g = weigh(load(up + i, lanes), w, i, lanes);
        const auto h = (load(in + i, lanes) - mu) * scale;
        return Terms<2, std::remove_const_t<decltype(g)>>{{g * h, g}};
      });
    else
      sums[0] = sum_blocks(n, [=](int64_t i, auto lanes) {
        return weigh(load(up + i, lanes), w, i, lanes) * (load(in + i, lanes) * scale);
      });
    const double mean_gh = sums[0] / static_cast<double>(n), mean_g = sums[1] / static_cast<double>(n);
    const VF c1 = set1(static_cast<float>(mean_g)), c2 = set1(static_cast<float>(-mean_gh));
    for_packs(n, [=](int64_t i, auto lanes) {
      fetch(up + n + i, lanes); // of the next row
      fetch(in + n + i, lanes);
      const auto value = load(in + i, lanes), d = load(up + i, lanes), h = (Centered ? value - mu : value) * scale;
      auto y = weigh(d, w, i, lanes);
      if constexpr (Centered)
        y = y - c1;
      y = scale * fma(h, c2, y);
      if (partial) {
        store(partial + i, fma(d, h, load(partial + i, lanes)), lanes);
        store(partial + n + i, load(partial + n + i, lanes) + d, lanes);
      }
      if (add)
        y = y + load(to + i, lanes);
      if constexpr (kStream)
        stream(to + i, y, lanes);
      else
        store(to + i, y, lanes);
    });
  }

  void combine(T *to, const float *partial, int64_t chunks, int64_t begin, int64_t end) const {
    if (!to)
      return;
    for_vectors(end - begin, [&](int64_t j, auto lanes) {
      const int64_t i = begin + j;
      VF sum = zero();
      for (int64_t chunk = 0; chunk < chunks; chunk++)
        sum = sum + load(partial + chunk * 2 * cols + i, lanes);
      store(to + i, accumulate_params ? sum + load(to + i, lanes) : sum, lanes);
    });
  }
};

} // namespace aios::AIOS_ISA

// The kernels of LayerNorm and RMSNorm: one template, which differs in whether the mean is subtracted.
//
// Forward: out = (x - mean) * rstd * weight + bias, with mean = 0 and no bias for RMSNorm. A row is read three times
// (mean, variance, result) while it sits in the first-level cache; sums over blocks are joined in double.
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
      for (int64_t r = begin; r < end; r++)
        row(r);
      stream_fence();
    });
  }

  [[gnu::flatten]] void row(int64_t r) const {
    const T *in = x + r * cols;
    T *to = out + r * cols;
    double center = 0.0;
    if constexpr (Centered)
      center = sum_blocks(cols, [=](int64_t i, auto lanes) { return load(in + i, lanes); }) / static_cast<double>(cols);
    const VF mu = set1(static_cast<float>(center));
    const double squares = sum_blocks(cols, [=](int64_t i, auto lanes) {
      const auto d = load(in + i, lanes) - mu;
      return d * d;
    });
    const double inverse = 1.0 / std::sqrt(squares / static_cast<double>(cols) + static_cast<double>(epsilon));
    const VF scale = set1(static_cast<float>(inverse));
    if (mean)
      mean[r] = static_cast<float>(center);
    if (rstd)
      rstd[r] = static_cast<float>(inverse);
    const T *w = weight, *shift = bias; // locals: stores cannot change them
    const int64_t row_length = cols;
    const auto part = [=](T *to_part, int64_t begin, int64_t n) {
      for_packs(n, [=](int64_t k, auto lanes) {
        const int64_t i = begin + k;
        auto y = weigh((load(in + i, lanes) - mu) * scale, w, i, lanes);
        if (shift)
          y = y + load(shift + i, lanes);
        store(to_part + k, y, lanes);
        fetch(in + row_length + i, lanes); // of the next row
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
    team.parallel_for(chunks, [=, this](int64_t chunk, int) {
      float *partial = dweight || dbias ? workspace + chunk * 2 * cols : nullptr;
      if (partial)
        memset(partial, 0, sizeof(float) * 2 * static_cast<size_t>(cols));
      for (int64_t r = chunk * chunk_rows; r < min64(rows, (chunk + 1) * chunk_rows); r++)
        row(r, partial);
    });
    if (dweight || dbias)
      parallel_ranges(team, cols, 2 * chunks, 64, [=, this](int64_t begin, int64_t end) {
        combine(dweight, workspace, chunks, begin, end);
        combine(dbias, workspace + cols, chunks, begin, end);
      });
  }

  [[gnu::flatten]] void row(int64_t r, float *partial) const {
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
    const VF c1 = set1(static_cast<float>(mean_g)), c2 = set1(static_cast<float>(mean_gh));
    for_packs(n, [=](int64_t i, auto lanes) {
      fetch(up + n + i, lanes); // of the next row
      fetch(in + n + i, lanes);
      const auto d = load(up + i, lanes), h = (load(in + i, lanes) - mu) * scale;
      auto y = weigh(d, w, i, lanes);
      if constexpr (Centered)
        y = y - c1;
      y = scale * fma(h, -c2, y);
      if (partial) {
        store(partial + i, fma(d, h, load(partial + i, lanes)), lanes);
        store(partial + n + i, load(partial + n + i, lanes) + d, lanes);
      }
      if (add)
        y = y + load(to + i, lanes);
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

// aios_softmax:          out[r][c] = exp(a[r][c] - max_r) / sum_r over each row of [rows][cols]; `out` may be `a`.
// aios_softmax_backward: da = out * (dout - sum over the row of out * dout); `da` may be `dout`.
#include "online.h"

namespace aios::AIOS_ISA {

namespace {

/// Rows up to this length keep their exponentials on the stack when T is too short for them; the sums of so many
/// elements are added up.
constexpr int64_t kShort = 4096;

/// Rows up to this length stay in the second-level cache, so that they are read and written three times.
constexpr int64_t kCached = int64_t{1} << 17;

/// One exponential per element: they are kept in `e`, which may be `out` and `a`.
template <class T> [[gnu::flatten]] void cached_row(T *out, float *e, const T *a, int64_t cols) {
  const VF m = set1(reduce_max(row_maximum(a, cols, set1(-FLT_MAX))));
  VF sum = zero();
  for (int64_t begin = 0; begin < cols; begin += kShort) { // narrow vectors would sum a long row in few long chains
    float *to = e + begin;
    sum += row_exponentials(a + begin, min64(kShort, cols - begin), m, [=](int64_t i, const auto &x, auto lanes) {
      store(to + i, x, lanes);
      fetch(a + begin + cols + i, lanes); // the next row: its memory is busy while this one computes
    });
  }
  const VF scale = set1(1.0f / reduce_add(sum));
  for_packs(cols, [=](int64_t i, auto lanes) { store(out + i, load(e + i, lanes) * scale, lanes); });
}

/// Two exponentials per element, but the row is read only twice and written once.
template <class T> [[gnu::flatten]] void long_row(T *out, const T *a, int64_t cols) {
  const OnlineSum s = online_sum(a, cols);
  const VF m = set1(s.max), scale = set1(1.0f / s.sum);
  for_packs(cols, [=](int64_t i, auto lanes) { store(out + i, exp(load(a + i, lanes) - m) * scale, lanes); });
}

void forward_row(float *out, const float *a, int64_t cols) {
  if (cols <= kCached)
    cached_row(out, out, a, cols);
  else
    long_row(out, a, cols);
}

void forward_row(bf16 *out, const bf16 *a, int64_t cols) {
  alignas(64) float e[kShort];
  if (cols <= kShort)
    cached_row(out, e, a, cols);
  else
    long_row(out, a, cols);
}

template <class T> [[gnu::flatten]] void backward_row(T *da, const T *dout, const T *out, int64_t cols) {
  const VF dot = set1(static_cast<float>(
      sum_blocks(cols, [=](int64_t i, auto lanes) { return load(out + i, lanes) * load(dout + i, lanes); })));
  for_packs(cols,
            [=](int64_t i, auto lanes) { store(da + i, load(out + i, lanes) * (load(dout + i, lanes) - dot), lanes); });
}

} // namespace

aios_status aios_softmax(aios_stream stream, void *out, const void *a, int64_t rows, int64_t cols, aios_dtype dtype) {
  if (const aios_status status = check_extents("aios_softmax", {{"rows", rows}, {"cols", cols}}))
    return status;
  return with_type("aios_softmax", dtype, [&](auto type) {
    using T = decltype(type);
    return enqueue(stream, [=](Team &team) {
      parallel_ranges(team, rows, cols, 1, [=](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; r++)
          forward_row(static_cast<T *>(out) + r * cols, static_cast<const T *>(a) + r * cols, cols);
      });
    });
  });
}

aios_status aios_softmax_backward(aios_stream stream, void *da, const void *dout, const void *out, int64_t rows,
                                  int64_t cols, aios_dtype dtype) {
  if (const aios_status status = check_extents("aios_softmax_backward", {{"rows", rows}, {"cols", cols}}))
    return status;
  return with_type("aios_softmax_backward", dtype, [&](auto type) {
    using T = decltype(type);
    return enqueue(stream, [=](Team &team) {
      parallel_ranges(team, rows, cols, 1, [=](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; r++)
          backward_row(static_cast<T *>(da) + r * cols, static_cast<const T *>(dout) + r * cols,
                       static_cast<const T *>(out) + r * cols, cols);
      });
    });
  });
}

} // namespace aios::AIOS_ISA

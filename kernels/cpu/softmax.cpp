// aios_softmax:          out[r][c] = exp(a[r][c] - max_r) / sum_r over each row of [rows][cols]; `out` may be `a`.
// aios_softmax_backward: da = out * (dout - sum over the row of out * dout); `da` may be `dout`.
#include "online.h"

namespace aios::AIOS_ISA {

namespace {

/// Rows up to this length keep their exponentials in floats on the stack: one exponential per element.
constexpr int64_t kShort = 4096;

template <class T> void short_row(T *out, const T *a, int64_t cols) {
  alignas(64) float e[kShort];
  VF top = set1(-FLT_MAX), sum[2] = {zero(), zero()};
  for_vectors(cols,
              [&](int64_t i, auto lanes) { top = max(replace_rest(load(a + i, lanes), set1(-FLT_MAX), lanes), top); });
  const VF m = set1(reduce_max(top));
  int64_t i = 0;
  for (; i + 2 * W <= cols; i += 2 * W) {
    const VF x = exp(load(a + i, Full{}) - m), y = exp(load(a + i + W, Full{}) - m);
    store(e + i, x, Full{});
    store(e + i + W, y, Full{});
    sum[0] = sum[0] + x;
    sum[1] = sum[1] + y;
  }
  for_vectors(cols - i, [&](int64_t j, auto lanes) {
    const VF x = exp(load(a + i + j, lanes) - m);
    store(e + i + j, x, lanes);
    sum[0] = sum[0] + replace_rest(x, zero(), lanes);
  });
  const VF scale = set1(1.0f / reduce_add(sum[0] + sum[1]));
  for_vectors(cols, [&](int64_t c, auto lanes) { store(out + c, load(e + c, lanes) * scale, lanes); });
}

template <class T> void long_row(T *out, const T *a, int64_t cols) {
  const OnlineSum s = online_sum(a, cols);
  const VF m = set1(s.max), scale = set1(1.0f / s.sum);
  for_vectors(cols, [&](int64_t c, auto lanes) { store(out + c, exp(load(a + c, lanes) - m) * scale, lanes); });
}

template <class T> void backward_row(T *da, const T *dout, const T *out, int64_t cols) {
  const VF dot = set1(static_cast<float>(sum_vectors(
      cols, [=](int64_t i, auto lanes, VD &sum) { accumulate(sum, load(out + i, lanes), load(dout + i, lanes)); })));
  for_vectors(
      cols, [=](int64_t i, auto lanes) { store(da + i, load(out + i, lanes) * (load(dout + i, lanes) - dot), lanes); });
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
          (cols <= kShort ? short_row<T> : long_row<T>)(static_cast<T *>(out) + r * cols,
                                                        static_cast<const T *>(a) + r * cols, cols);
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

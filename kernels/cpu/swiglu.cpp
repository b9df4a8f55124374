// aios_swiglu:          out[r][i] = silu(a[r][i]) * a[r][cols + i]; a is [rows][2 cols], out [rows][cols].
// aios_swiglu_backward: da [rows][2 cols] from dout [rows][cols]:
//   da[r][i] = dout * silu'(gate) * up, da[r][cols + i] = dout * silu(gate)
#include "functions.h"
#include "loops.h"

namespace aios::AIOS_ISA {

namespace {

/// Calls f(row, begin, n) over all rows, in parallel.
template <class F> void parallel_rows(Team &team, int64_t rows, int64_t cols, const F &f) {
  const int64_t width = max64(1, min64(cols, kTaskElements)), pieces = ceil_div(cols, width);
  parallel_ranges(team, rows * pieces, width, 1, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++)
      f(i / pieces, i % pieces * width, min64(width, cols - i % pieces * width));
  });
}

template <class T> [[gnu::flatten, gnu::noinline]] void forward_row(T *out, const T *gate, const T *up, int64_t n) {
  for_packs(n, [=](int64_t i, auto lanes) {
    store(out + i, Silu::value(load(gate + i, lanes), {}) * load(up + i, lanes), lanes);
  });
}

template <class T>
[[gnu::flatten, gnu::noinline]] void backward_row(T *dgate, T *dup, const T *dout, const T *gate, const T *up,
                                                  int64_t n) {
  for_packs(n, [=](int64_t i, auto lanes) {
    const auto g = load(gate + i, lanes), d = load(dout + i, lanes);
    store(dgate + i, d * Silu::derivative(g, {}) * load(up + i, lanes), lanes);
    store(dup + i, d * Silu::value(g, {}), lanes);
  });
}

template <class T> void forward(Team &team, T *out, const T *a, int64_t rows, int64_t cols) {
  parallel_rows(team, rows, cols, [=](int64_t row, int64_t begin, int64_t n) {
    const T *gate = a + row * 2 * cols + begin;
    forward_row(out + row * cols + begin, gate, gate + cols, n);
  });
}

template <class T> void backward(Team &team, T *da, const T *dout, const T *a, int64_t rows, int64_t cols) {
  parallel_rows(team, rows, cols, [=](int64_t row, int64_t begin, int64_t n) {
    const T *gate = a + row * 2 * cols + begin;
    T *dgate = da + row * 2 * cols + begin;
    backward_row(dgate, dgate + cols, dout + row * cols + begin, gate, gate + cols, n);
  });
}

} // namespace

aios_status aios_swiglu(aios_stream stream, void *out, const void *a, int64_t rows, int64_t cols, aios_dtype dtype) {
  if (const aios_status status = check_extents("aios_swiglu", {{"rows", rows}, {"cols", cols}}))
    return status;
  return with_type("aios_swiglu", dtype, [&](auto type) {
    using T = decltype(type);
    return enqueue(stream,
                   [=](Team &team) { forward(team, static_cast<T *>(out), static_cast<const T *>(a), rows, cols); });
  });
}

aios_status aios_swiglu_backward(aios_stream stream, void *da, const void *dout, const void *a, int64_t rows,
                                 int64_t cols, aios_dtype dtype) {
  if (const aios_status status = check_extents("aios_swiglu_backward", {{"rows", rows}, {"cols", cols}}))
    return status;
  return with_type("aios_swiglu_backward", dtype, [&](auto type) {
    using T = decltype(type);
    return enqueue(stream, [=](Team &team) {
      backward(team, static_cast<T *>(da), static_cast<const T *>(dout), static_cast<const T *>(a), rows, cols);
    });
  });
}

} // namespace aios::AIOS_ISA

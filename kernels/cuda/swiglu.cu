// aios_swiglu:          out[r][i] = silu(a[r][i]) * a[r][cols + i]; a is [rows][2 cols], out [rows][cols].
// aios_swiglu_backward: da [rows][2 cols] from dout [rows][cols]:
//   da[r][i] = dout * silu'(gate) * up, da[r][cols + i] = dout * silu(gate)
#include "functions.cuh"
#include "launchers.cuh"

namespace aios::cuda {
namespace {

template <class T> __global__ void swiglu_kernel(T *out, const T *a, int64_t n, int64_t cols) {
  for (int64_t i = first_element(); i < n; i += element_step()) {
    const T *gate = a + i / cols * cols + i; // row r starts at 2 r cols
    store(out + i, Silu::value(load(gate), {}) * load(gate + cols));
  }
}

template <class T> __global__ void swiglu_backward_kernel(T *da, const T *dout, const T *a, int64_t n, int64_t cols) {
  for (int64_t i = first_element(); i < n; i += element_step()) {
    const int64_t at = i / cols * cols + i;
    const float gate = load(a + at), up = load(a + at + cols), d = load(dout + i);
    store(da + at, d * Silu::derivative(gate, {}) * up);
    store(da + at + cols, d * Silu::value(gate, {}));
  }
}

} // namespace
} // namespace aios::cuda

using namespace aios::cuda;

aios_status aios_swiglu(aios_stream stream, void *out, const void *a, int64_t rows, int64_t cols, aios_dtype dtype) {
  if (const aios_status status = aios::check_extents("aios_swiglu", {{"rows", rows}, {"cols", cols}}))
    return status;
  return with_type("aios_swiglu", dtype, [&](auto type) -> aios_status {
    using T = decltype(type);
    if (rows * cols == 0)
      return AIOS_STATUS_OK;
    const Shape shape = shape_of_elements(rows * cols);
    return launch(stream, "swiglu_kernel", shape, swiglu_kernel<T>, static_cast<T *>(out), static_cast<const T *>(a),
                  rows * cols, cols);
  });
}

aios_status aios_swiglu_backward(aios_stream stream, void *da, const void *dout, const void *a, int64_t rows,
                                 int64_t cols, aios_dtype dtype) {
  if (const aios_status status = aios::check_extents("aios_swiglu_backward", {{"rows", rows}, {"cols", cols}}))
    return status;
  return with_type("aios_swiglu_backward", dtype, [&](auto type) -> aios_status {
    using T = decltype(type);
    if (rows * cols == 0)
      return AIOS_STATUS_OK;
    const Shape shape = shape_of_elements(rows * cols);
    return launch(stream, "swiglu_backward_kernel", shape, swiglu_backward_kernel<T>, static_cast<T *>(da),
                  static_cast<const T *>(dout), static_cast<const T *>(a), rows * cols, cols);
  });
}

// aios_softmax:          out[r][c] = exp(a[r][c] - max_r) / sum_r over each row of [rows][cols]; `out` may be `a`.
// aios_softmax_backward: da = out * (dout - sum over the row of out * dout); `da` may be `dout`.
// A block takes a row: all of it is read before any of it is written, and each element is written by the thread that
// read it last.
#include "row.cuh"

namespace aios::cuda {
namespace {

template <class T> __global__ void softmax_kernel(T *out, const T *a, int64_t rows, int64_t cols) {
  const Shared<float> scratch(0u);
  for (int64_t r = blockIdx.x; r < rows; r += gridDim.x) {
    const T *row = a + r * cols;
    const Exponentials found = exponentials_of_row(row, cols, scratch);
    for (int64_t c = threadIdx.x; c < cols; c += blockDim.x)
      store(out + r * cols + c, expf(load(row + c) - found.max) / found.sum);
  }
}

template <class T>
__global__ void softmax_backward_kernel(T *da, const T *dout, const T *out, int64_t rows, int64_t cols) {
  const Shared<float> scratch(0u);
  for (int64_t r = blockIdx.x; r < rows; r += gridDim.x) {
    const int64_t start = r * cols;
    float dot = 0.0f;
    for (int64_t c = threadIdx.x; c < cols; c += blockDim.x)
      dot = fmaf(load(out + start + c), load(dout + start + c), dot);
    dot = reduce_block(dot, Add(), scratch);
    for (int64_t c = threadIdx.x; c < cols; c += blockDim.x)
      store(da + start + c, load(out + start + c) * (load(dout + start + c) - dot));
  }
}

} // namespace
} // namespace aios::cuda

using namespace aios::cuda;

aios_status aios_softmax(aios_stream stream, void *out, const void *a, int64_t rows, int64_t cols, aios_dtype dtype) {
  if (const aios_status status = aios::check_extents("aios_softmax", {{"rows", rows}, {"cols", cols}}))
    return status;
  return with_type("aios_softmax", dtype, [&](auto type) -> aios_status {
    using T = decltype(type);
    if (rows * cols == 0)
      return AIOS_STATUS_OK;
    const Shape shape = shape_of_rows<float>(rows, cols);
    return launch(stream, "softmax_kernel", shape, softmax_kernel<T>, static_cast<T *>(out), static_cast<const T *>(a),
                  rows, cols);
  });
}

aios_status aios_softmax_backward(aios_stream stream, void *da, const void *dout, const void *out, int64_t rows,
                                  int64_t cols, aios_dtype dtype) {
  if (const aios_status status = aios::check_extents("aios_softmax_backward", {{"rows", rows}, {"cols", cols}}))
    return status;
  return with_type("aios_softmax_backward", dtype, [&](auto type) -> aios_status {
    using T = decltype(type);
    if (rows * cols == 0)
      return AIOS_STATUS_OK;
    const Shape shape = shape_of_rows<float>(rows, cols);
    return launch(stream, "softmax_backward_kernel", shape, softmax_backward_kernel<T>, static_cast<T *>(da),
                  static_cast<const T *>(dout), static_cast<const T *>(out), rows, cols);
  });
}

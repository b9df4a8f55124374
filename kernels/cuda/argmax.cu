// aios_argmax: out[o][i] = index of the first greatest a[o][r][i] over r < n; the first NaN counts as greatest.
// a is [outer][n][inner]. A block takes an output: its threads walk down the column in turn and are joined in pairs.
#include "launchers.cuh"

namespace aios::cuda {
namespace {

struct Best {
  float value;
  int32_t index; // -1: none
};

__device__ __forceinline__ Best other_lane(Best best, unsigned mask) {
  return {cuda::other_lane(best.value, mask), cuda::other_lane(best.index, mask)};
}

/// The better one: NaN, then what is greater, then what comes first.
struct Better {
  __device__ __forceinline__ Best operator()(Best a, Best b) const {
    if (a.index < 0 || b.index < 0)
      return a.index < 0 ? b : a;
    const bool a_nan = a.value != a.value, b_nan = b.value != b.value;
    if (a_nan != b_nan)
      return a_nan ? a : b;
    if (!a_nan && a.value != b.value)
      return a.value > b.value ? a : b;
    return a.index < b.index ? a : b;
  }
};

template <class T> __global__ void argmax_kernel(int32_t *out, const T *a, int64_t outputs, int64_t n, int64_t inner) {
  const Better better;
  const Shared<Best> scratch(0u);
  for (int64_t i = blockIdx.x; i < outputs; i += gridDim.x) {
    const T *column = a + i / inner * n * inner + i % inner;
    Best best = {0.0f, -1};
    for (int64_t r = threadIdx.x; r < n; r += blockDim.x)
      best = better(best, {load(column + r * inner), static_cast<int32_t>(r)});
    best = reduce_block(best, better, scratch);
    if (threadIdx.x == 0)
      out[i] = best.index;
  }
}

} // namespace
} // namespace aios::cuda

using namespace aios::cuda;

aios_status aios_argmax(aios_stream stream, int32_t *out, const void *a, int64_t outer, int64_t n, int64_t inner,
                        aios_dtype dtype) {
  if (const aios_status status = aios::check_argmax(outer, n, inner))
    return status;
  return with_type("aios_argmax", dtype, [&](auto type) -> aios_status {
    using T = decltype(type);
    if (outer * inner == 0)
      return AIOS_STATUS_OK;
    const Shape shape = shape_of_rows<Best>(outer * inner, n);
    return launch(stream, "argmax_kernel", shape, argmax_kernel<T>, out, static_cast<const T *>(a), outer * inner, n,
                  inner);
  });
}

// aios_gather:      out[o][j][:] = a[o][ids[j]][:]; a is [outer][axis][inner], out [outer][count][inner].
// aios_scatter_add: out[o][ids[j]][:] += a[o][j][:] in the order of j; the gradient of gather.
//
// Scatter gives each row of the output to one block: that of the first place of its id. The block looks for its id in
// all later places, so that the order of additions is that of the formula, and a row is summed in binary32 and rounded
// once. The ids are taken in pieces of kPiece, one launch each, which bounds the search. An id out of range is reported
// and left alone.
#include "launchers.cuh"
#include "report.cuh"

namespace aios::cuda {
namespace {

__device__ __forceinline__ bool check_id(Report report, int64_t position, int32_t id, int64_t axis) {
  if (id >= 0 && id < axis)
    return true;
  report(AIOS_CUDA_FINDING_ID, position, id, axis);
  return false;
}

template <class T>
__global__ void gather_kernel(T *out, const T *a, const int32_t *ids, int64_t n, int64_t axis, int64_t inner,
                              int64_t count, Report report) {
  for (int64_t i = first_element(); i < n; i += element_step()) {
    const int64_t row = i / inner, o = row / count, j = row - o * count;
    if (const int32_t id = ids[j]; check_id(report, j, id, axis))
      out[i] = a[(o * axis + id) * inner + i - row * inner];
  }
}

/// Ids that are summed in binary32 before the sums are rounded.
constexpr int64_t kPiece = int64_t{1} << 17;

struct Or {
  __device__ __forceinline__ int operator()(int a, int b) const { return a | b; }
};

/// The ids from `first` on, before `end`.
template <class T>
__global__ void scatter_add_kernel(T *out, const T *a, const int32_t *ids, int64_t outer, int64_t axis, int64_t inner,
                                   int64_t count, int64_t first, int64_t end, Report report) {
  const Shared<int> scratch(0u);
  for (int64_t task = blockIdx.x; task < outer * (end - first); task += gridDim.x) {
    const int64_t o = task / (end - first), j = first + task % (end - first);
    const int32_t id = ids[j];
    if (!check_id(report, j, id, axis))
      continue;
    int earlier = 0;
    for (int64_t k = first + threadIdx.x; k < j && !earlier; k += blockDim.x)
      earlier = ids[k] == id;
    if (reduce_block(earlier, Or(), scratch))
      continue;
    T *to = out + (o * axis + id) * inner;
    for (int64_t i = threadIdx.x; i < inner; i += blockDim.x) {
      float sum = load(to + i);
      for (int64_t k = j; k < end; k++)
        if (ids[k] == id)
          sum += load(a + (o * count + k) * inner + i);
      store(to + i, sum);
    }
  }
}

} // namespace
} // namespace aios::cuda

using namespace aios::cuda;

aios_status aios_gather(aios_stream stream, void *out, const void *a, const int32_t *ids, int64_t outer, int64_t axis,
                        int64_t inner, int64_t count, aios_dtype dtype) {
  if (const aios_status status =
          aios::check_extents("aios_gather", {{"outer", outer}, {"axis", axis}, {"inner", inner}, {"count", count}}))
    return status;
  return with_type("aios_gather", dtype, [&](auto type) -> aios_status {
    using T = decltype(type);
    const int64_t n = outer * count * inner;
    if (n == 0)
      return AIOS_STATUS_OK;
    const Shape shape = shape_of_elements(n);
    return launch(stream, "gather_kernel", shape, gather_kernel<T>, static_cast<T *>(out), static_cast<const T *>(a),
                  ids, n, axis, inner, count, report_of(stream, "aios_gather"));
  });
}

aios_status aios_scatter_add(aios_stream stream, void *out, const void *a, const int32_t *ids, int64_t outer,
                             int64_t axis, int64_t inner, int64_t count, aios_dtype dtype) {
  if (const aios_status status = aios::check_extents(
          "aios_scatter_add", {{"outer", outer}, {"axis", axis}, {"inner", inner}, {"count", count}}))
    return status;
  return with_type("aios_scatter_add", dtype, [&](auto type) -> aios_status {
    using T = decltype(type);
    if (outer * inner == 0)
      return AIOS_STATUS_OK;
    for (int64_t first = 0; first < count; first += kPiece) {
      const int64_t end = min64(count, first + kPiece);
      const Shape shape = shape_of_rows<int>(outer * (end - first), inner);
      if (const aios_status status = launch(stream, "scatter_add_kernel", shape, scatter_add_kernel<T>,
                                            static_cast<T *>(out), static_cast<const T *>(a), ids, outer, axis, inner,
                                            count, first, end, report_of(stream, "aios_scatter_add")))
        return status;
    }
    return AIOS_STATUS_OK;
  });
}

// aios_reduce: out[o][i] = sum, mean, maximum or minimum over r < n of a[o][r][i]; a is [outer][n][inner].
//
// Everything is kept in binary64. n is cut into chunks whose length depends on the shape only; each leaves one value
// per output in the workspace ([outer][chunks][inner]), and a second kernel joins these in chunk order. One chunk needs
// no workspace. Where inner is 1 a block reduces a chunk of neighbours; else a thread walks down a column of a chunk.
#include "launchers.cuh"

namespace aios::cuda {
namespace {

constexpr int64_t kDenseChunk = 16384, kColumnChunk = 512; // rows

int64_t chunk_rows(int64_t inner) {
  return inner == 1 ? kDenseChunk : kColumnChunk;
}

int64_t chunk_count(int64_t n, int64_t inner) {
  return max64(1, ceil_div(n, chunk_rows(inner)));
}

struct SumOf {
  static constexpr double kEmpty = 0.0;
  __device__ __forceinline__ double operator()(double a, double b) const { return a + b; }
};

/// The greater or the lesser; NaN when either is.
template <bool kGreatest> struct ExtremeOf {
  static constexpr double kEmpty = kGreatest ? -INFINITY : INFINITY;
  __device__ __forceinline__ double operator()(double a, double b) const {
    return a != a || (kGreatest ? a > b : a < b) ? a : b;
  }
};

/// What becomes of a reduction: `partial`, or `out` when that is null.
template <class T> struct Result {
  double *partial;
  T *out;
  double divisor;
  bool add;

  __device__ __forceinline__ void put(int64_t at, double value) const {
    if (partial) {
      partial[at] = value;
      return;
    }
    const double before = add ? static_cast<double>(load(out + at)) : 0.0;
    store(out + at, static_cast<float>(add ? before + value / divisor : value / divisor));
  }
};

/// Block by block, chunks of neighbours.
template <class T, class Join>
__global__ void reduce_rows_kernel(Result<T> result, const T *a, int64_t outer, int64_t n, int64_t chunks) {
  const Join join;
  const Shared<double> scratch(0u);
  for (int64_t task = blockIdx.x; task < outer * chunks; task += gridDim.x) {
    const int64_t first = task % chunks * kDenseChunk, end = min64(n, first + kDenseChunk);
    const T *row = a + task / chunks * n;
    double value = Join::kEmpty;
    for (int64_t r = first + threadIdx.x; r < end; r += blockDim.x)
      value = join(value, static_cast<double>(load(row + r)));
    value = reduce_block(value, join, scratch);
    if (threadIdx.x == 0)
      result.put(task, value);
  }
}

/// Thread by thread, columns of chunks.
template <class T, class Join>
__global__ void reduce_columns_kernel(Result<T> result, const T *a, int64_t outer, int64_t n, int64_t inner,
                                      int64_t chunks, int64_t rows) {
  const Join join;
  for (int64_t task = first_element(); task < outer * chunks * inner; task += element_step()) {
    const int64_t column = task % inner, first = task / inner % chunks * rows, end = min64(n, first + rows);
    const T *slice = a + task / (inner * chunks) * n * inner + column;
    double value = Join::kEmpty;
    for (int64_t r = first; r < end; r++)
      value = join(value, static_cast<double>(load(slice + r * inner)));
    result.put(task, value);
  }
}

/// Joins partial results.
template <class T, class Join>
__global__ void reduce_chunks_kernel(Result<T> result, const double *partial, int64_t outer, int64_t chunks,
                                     int64_t inner) {
  const Join join;
  for (int64_t task = first_element(); task < outer * inner; task += element_step()) {
    const double *from = partial + task / inner * chunks * inner + task % inner;
    double value = from[0];
    for (int64_t chunk = 1; chunk < chunks; chunk++)
      value = join(value, from[chunk * inner]);
    result.put(task, value);
  }
}

template <class T, class Join>
aios_status run(aios_stream stream, Result<T> result, const T *a, double *workspace, int64_t outer, int64_t n,
                int64_t inner) {
  const int64_t chunks = chunk_count(n, inner);
  Result<T> first = result;
  first.partial = chunks > 1 ? workspace : nullptr;
  aios_status status;
  if (inner == 1) {
    const Shape shape = shape_of_rows<double>(outer * chunks, n);
    status = launch(stream, "reduce_rows_kernel", shape, reduce_rows_kernel<T, Join>, first, a, outer, n, chunks);
  } else {
    const Shape shape = shape_of_elements(outer * chunks * inner);
    status = launch(stream, "reduce_columns_kernel", shape, reduce_columns_kernel<T, Join>, first, a, outer, n, inner,
                    chunks, kColumnChunk);
  }
  if (status != AIOS_STATUS_OK || chunks == 1)
    return status;
  const Shape shape = shape_of_elements(outer * inner);
  return launch(stream, "reduce_chunks_kernel", shape, reduce_chunks_kernel<T, Join>, result,
                static_cast<const double *>(workspace), outer, chunks, inner);
}

} // namespace
} // namespace aios::cuda

using namespace aios::cuda;

int64_t aios_reduce_workspace_size(int64_t outer, int64_t n, int64_t inner, aios_reduce_op, aios_dtype) {
  if (const aios_status status =
          aios::check_extents("aios_reduce_workspace_size", {{"outer", outer}, {"n", n}, {"inner", inner}}))
    return -status;
  const int64_t chunks = chunk_count(n, inner);
  return chunks > 1 ? outer * chunks * inner * static_cast<int64_t>(sizeof(double)) : 0;
}

aios_status aios_reduce(aios_stream stream, void *out, const void *a, void *workspace, int64_t workspace_bytes,
                        int64_t outer, int64_t n, int64_t inner, aios_reduce_op op, int32_t accumulate,
                        aios_dtype dtype) {
  if (const aios_status status = aios::check_reduce(outer, n, inner, op, accumulate))
    return status;
  if (const aios_status status = aios::check_workspace("aios_reduce", workspace, workspace_bytes,
                                                       aios_reduce_workspace_size(outer, n, inner, op, dtype)))
    return status;
  return with_type("aios_reduce", dtype, [&](auto type) -> aios_status {
    using T = decltype(type);
    if (outer * inner == 0)
      return AIOS_STATUS_OK;
    const double divisor = op == AIOS_REDUCE_MEAN ? static_cast<double>(n) : 1.0;
    const Result<T> result = {nullptr, static_cast<T *>(out), divisor, accumulate != 0};
    const auto start = [&](auto join) {
      return run<T, decltype(join)>(stream, result, static_cast<const T *>(a), static_cast<double *>(workspace), outer,
                                    n, inner);
    };
    return op == AIOS_REDUCE_MAX   ? start(ExtremeOf<true>{})
           : op == AIOS_REDUCE_MIN ? start(ExtremeOf<false>{})
                                   : start(SumOf{});
  });
}

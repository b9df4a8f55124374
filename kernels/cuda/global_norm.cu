// aios_global_norm: out[0] = sqrt of the sum of squares of all elements of all tensors,
// out[1] = min(1, max_norm / (out[0] + 1e-6)), or 1 when max_norm <= 0.
// Squares are taken and summed in binary64: each chunk into its own place of the workspace, the chunks by one block in
// an order that depends on their number only.
#include "tensors.cuh"

namespace aios::cuda {
namespace {

int64_t most_chunks(int64_t count, int64_t total) {
  return total / kTensorChunk + count; // every tensor may end with a partial chunk
}

template <class T> __device__ double squares(const T *x, int64_t begin, int64_t end) {
  double sum = 0.0;
  for (int64_t i = begin + threadIdx.x; i < end; i += blockDim.x) {
    const double v = static_cast<double>(load(x + i));
    sum += v * v;
  }
  return sum;
}

__global__ void norm_chunks_kernel(double *partial, const aios_norm_tensor *tensors, int64_t count, int64_t most,
                                   Report report) {
  const Shared<double> scratch(0u);
  for (ChunkWalk<aios_norm_tensor> walk(tensors, count); walk.here() && walk.chunk() < most; walk.advance()) {
    const aios_norm_tensor &tensor = walk.tensor();
    double sum = 0.0;
    if (tensor.dtype == AIOS_DTYPE_BF16)
      sum = squares(static_cast<const bf16 *>(tensor.data), walk.begin(), walk.end());
    else if (tensor.dtype == AIOS_DTYPE_F32)
      sum = squares(static_cast<const float *>(tensor.data), walk.begin(), walk.end());
    else
      report(AIOS_CUDA_FINDING_DTYPE, walk.index(), tensor.dtype, 0);
    sum = reduce_block(sum, Add(), scratch);
    if (threadIdx.x == 0)
      partial[walk.chunk()] = sum;
  }
}

__global__ void norm_sum_kernel(float *out, const double *partial, const aios_norm_tensor *tensors, int64_t count,
                                int64_t total, double max_norm, Report report) {
  const Shared<double> scratch(0u);
  int64_t chunks = 0, elements = 0;
  for (int64_t i = 0; i < count; i++) {
    chunks += ceil_div(tensors[i].n, kTensorChunk);
    elements += tensors[i].n;
    if (elements > total) {
      report(AIOS_CUDA_FINDING_TOTAL, i, elements, total);
      return;
    }
  }
  double sum = 0.0;
  for (int64_t chunk = threadIdx.x; chunk < chunks; chunk += blockDim.x)
    sum += partial[chunk];
  sum = reduce_block(sum, Add(), scratch);
  if (threadIdx.x == 0) {
    const double norm = sqrt(sum), factor = max_norm / (norm + 1e-6);
    out[0] = static_cast<float>(norm);
    out[1] = max_norm > 0.0 && !(factor >= 1.0) ? static_cast<float>(factor) : 1.0f;
  }
}

} // namespace
} // namespace aios::cuda

using namespace aios::cuda;

int64_t aios_global_norm_workspace_size(int64_t count, int64_t total) {
  if (const aios_status status =
          aios::check_extents("aios_global_norm_workspace_size", {{"count", count}, {"total", total}}))
    return -status;
  return most_chunks(count, total) * static_cast<int64_t>(sizeof(double));
}

aios_status aios_global_norm(aios_stream stream, float *out, const aios_norm_tensor *tensors, void *workspace,
                             int64_t workspace_bytes, int64_t count, int64_t total, double max_norm) {
  if (const aios_status status = aios::check_extents("aios_global_norm", {{"count", count}, {"total", total}}))
    return status;
  if (const aios_status status = aios::check_workspace("aios_global_norm", workspace, workspace_bytes,
                                                       aios_global_norm_workspace_size(count, total)))
    return status;
  const Report report = report_of(stream, "aios_global_norm");
  const int64_t most = most_chunks(count, total);
  double *partial = static_cast<double *>(workspace);
  if (total > 0) {
    const Shape shape = shape_of_rows<double>(min64(most, kTableBlocks), kTensorChunk);
    if (const aios_status status = launch(stream, "global_norm_chunks_kernel", shape, norm_chunks_kernel, partial,
                                          tensors, count, most, report))
      return status;
  }
  const Shape shape = shape_of_rows<double>(1, most);
  return launch(stream, "global_norm_sum_kernel", shape, norm_sum_kernel, out, static_cast<const double *>(partial),
                tensors, count, total, max_norm, report);
}

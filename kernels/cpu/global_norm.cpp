// aios_global_norm: out[0] = sqrt of the sum of squares of all elements of all tensors,
// out[1] = min(1, max_norm / (out[0] + 1e-6)), or 1 when max_norm <= 0.
// Squares are taken and summed in double: each chunk into its own place of the workspace, the chunks in order.
#include "tensors.h"

namespace aios::AIOS_ISA {

int64_t aios_global_norm_workspace_size(int64_t count, int64_t total) {
  if (const aios_status status = check_extents("aios_global_norm_workspace_size", {{"count", count}, {"total", total}}))
    return -status;
  // Every tensor may end with a partial chunk.
  return (total / kTensorChunk + count) * static_cast<int64_t>(sizeof(double));
}

aios_status aios_global_norm(aios_stream stream, float *out, const aios_norm_tensor *tensors, void *workspace,
                             int64_t workspace_bytes, int64_t count, int64_t total, double max_norm) {
  if (const aios_status status = check_extents("aios_global_norm", {{"count", count}, {"total", total}}))
    return status;
  if (const aios_status status = check_workspace("aios_global_norm", workspace, workspace_bytes,
                                                 aios_global_norm_workspace_size(count, total)))
    return status;
  double *partial = static_cast<double *>(workspace);
  return enqueue(stream, [=](Team &team) {
    const int64_t chunks = tensor_chunks(tensors, count);
    if (chunks > total / kTensorChunk + count) {
      team.fail(AIOS_STATUS_EXECUTION_FAILED, "the tensors have more than the %lld elements of total",
                static_cast<long long>(total));
      return;
    }
    parallel_tensors(team, tensors, count,
                     [&](const aios_norm_tensor &tensor, int64_t begin, int64_t n, int64_t chunk) {
                       with_tensor_type(team, tensor.dtype, [&](auto type) {
                         const auto *x = static_cast<const decltype(type) *>(tensor.data) + begin;
                         partial[chunk] = sum_vectors(n, [=](int64_t i, auto lanes, VD &sum) {
                           const VF v = load(x + i, lanes);
                           accumulate(sum, v, v);
                         });
                       });
                     });
    double sum = 0.0;
    for (int64_t chunk = 0; chunk < chunks; chunk++)
      sum += partial[chunk];
    const double norm = std::sqrt(sum), factor = max_norm / (norm + 1e-6);
    out[0] = static_cast<float>(norm);
    out[1] = max_norm > 0.0 && !(factor >= 1.0) ? static_cast<float>(factor) : 1.0f;
  });
}

} // namespace aios::AIOS_ISA

// aios_cross_entropy: lse[r] = log of the sum of exp(logits[r][:]); loss[0] = mean over rows with target >= 0 of
// lse[r] - logits[r][targets[r]]; loss[1] = the number of those rows. logits are [rows][classes] with pitch ld.
// aios_cross_entropy_backward: dlogits = (exp(logits - lse) - onehot(target)) * dloss[0] / loss[1], 0 in rows left
// out; dlogits may be logits.
//
// A block takes a row and leaves its term of the loss in the workspace ([rows] doubles); one block adds the terms in an
// order that depends on their number only. A target out of range is reported, and its row counts as 0.
#include "report.cuh"
#include "row.cuh"

namespace aios::cuda {
namespace {

template <class T>
__global__ void cross_entropy_rows_kernel(double *terms, float *lse, const T *logits, const int32_t *targets,
                                          int64_t rows, int64_t classes, int64_t ld, Report report) {
  const Shared<float> scratch(0u);
  for (int64_t r = blockIdx.x; r < rows; r += gridDim.x) {
    const T *row = logits + r * ld;
    const Exponentials found = exponentials_of_row(row, classes, scratch);
    if (threadIdx.x != 0)
      continue;
    const double log_sum = static_cast<double>(found.max) + log(static_cast<double>(found.sum));
    const int32_t target = targets[r];
    lse[r] = static_cast<float>(log_sum);
    if (target >= classes)
      report(AIOS_CUDA_FINDING_TARGET, r, target, classes);
    terms[r] = target >= 0 && target < classes ? log_sum - static_cast<double>(load(row + target)) : 0.0;
  }
}

__global__ void cross_entropy_sum_kernel(float *loss, const double *terms, const int32_t *targets, int64_t rows) {
  const Shared<double> scratch(0u);
  double sum = 0.0, count = 0.0;
  for (int64_t r = threadIdx.x; r < rows; r += blockDim.x)
    if (targets[r] >= 0) {
      sum += terms[r];
      count += 1.0;
    }
  sum = reduce_block(sum, Add(), scratch);
  count = reduce_block(count, Add(), scratch);
  if (threadIdx.x == 0) {
    loss[0] = static_cast<float>(sum / count);
    loss[1] = static_cast<float>(count);
  }
}

template <class T>
__global__ void cross_entropy_backward_kernel(T *dlogits, const float *dloss, const float *loss, const float *lse,
                                              const T *logits, const int32_t *targets, int64_t n, int64_t classes,
                                              int64_t ld) {
  const float factor = dloss[0] / loss[1];
  for (int64_t i = first_element(); i < n; i += element_step()) {
    const int64_t r = i / classes, c = i - r * classes, at = r * ld + c;
    const int32_t target = targets[r];
    const float hit = c == target ? 1.0f : 0.0f;
    store(dlogits + at, target < 0 ? 0.0f : (expf(load(logits + at) - lse[r]) - hit) * factor);
  }
}

} // namespace
} // namespace aios::cuda

using namespace aios::cuda;

int64_t aios_cross_entropy_workspace_size(int64_t rows, int64_t classes, aios_dtype) {
  if (const aios_status status =
          aios::check_extents("aios_cross_entropy_workspace_size", {{"rows", rows}, {"classes", classes}}))
    return -status;
  return rows * static_cast<int64_t>(sizeof(double));
}

aios_status aios_cross_entropy(aios_stream stream, float *loss, float *lse, const void *logits, const int32_t *targets,
                               void *workspace, int64_t workspace_bytes, int64_t rows, int64_t classes, int64_t ld,
                               aios_dtype dtype) {
  if (const aios_status status = aios::check_cross_entropy("aios_cross_entropy", rows, classes, ld))
    return status;
  if (const aios_status status = aios::check_workspace("aios_cross_entropy", workspace, workspace_bytes,
                                                       aios_cross_entropy_workspace_size(rows, classes, dtype)))
    return status;
  return with_type("aios_cross_entropy", dtype, [&](auto type) -> aios_status {
    using T = decltype(type);
    double *terms = static_cast<double *>(workspace);
    if (rows > 0) {
      const Shape shape = shape_of_rows<float>(rows, classes);
      if (const aios_status status = launch(stream, "cross_entropy_rows_kernel", shape, cross_entropy_rows_kernel<T>,
                                            terms, lse, static_cast<const T *>(logits), targets, rows, classes, ld,
                                            report_of(stream, "aios_cross_entropy")))
        return status;
    }
    const Shape shape = shape_of_rows<double>(1, rows);
    return launch(stream, "cross_entropy_sum_kernel", shape, cross_entropy_sum_kernel, loss,
                  static_cast<const double *>(terms), targets, rows);
  });
}

aios_status aios_cross_entropy_backward(aios_stream stream, void *dlogits, const float *dloss, const float *loss,
                                        const float *lse, const void *logits, const int32_t *targets, int64_t rows,
                                        int64_t classes, int64_t ld, aios_dtype dtype) {
  if (const aios_status status = aios::check_cross_entropy("aios_cross_entropy_backward", rows, classes, ld))
    return status;
  return with_type("aios_cross_entropy_backward", dtype, [&](auto type) -> aios_status {
    using T = decltype(type);
    if (rows * classes == 0)
      return AIOS_STATUS_OK;
    const Shape shape = shape_of_elements(rows * classes);
    return launch(stream, "cross_entropy_backward_kernel", shape, cross_entropy_backward_kernel<T>,
                  static_cast<T *>(dlogits), dloss, loss, lse, static_cast<const T *>(logits), targets, rows * classes,
                  classes, ld);
  });
}

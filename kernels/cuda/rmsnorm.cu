// aios_rmsnorm: out[r][c] = x[r][c] * rstd[r] * weight[c] over [rows][cols], rstd = 1 / sqrt(mean of squares + epsilon)
// of each row, which is kept for the gradient when the caller gives room. `out` may be `x`.
// aios_rmsnorm_backward: dx and dweight; see norm.cuh for the formulas and the fixed order of the sums.
#include "norm.cuh"

using namespace aios::cuda;

aios_status aios_rmsnorm(aios_stream stream, void *out, float *rstd, const void *x, const void *weight, int64_t rows,
                         int64_t cols, float epsilon, aios_dtype dtype) {
  if (const aios_status status = aios::check_extents("aios_rmsnorm", {{"rows", rows}, {"cols", cols}}))
    return status;
  return with_type("aios_rmsnorm", dtype, [&](auto type) {
    using T = decltype(type);
    return norm<T, false>(stream, "rmsnorm_kernel",
                          {static_cast<T *>(out), nullptr, rstd, static_cast<const T *>(x),
                           static_cast<const T *>(weight), nullptr, rows, cols, epsilon});
  });
}

aios_status aios_rmsnorm_backward(aios_stream stream, void *dx, void *dweight, const void *dout, const void *x,
                                  const void *weight, const float *rstd, void *workspace, int64_t workspace_bytes,
                                  int64_t rows, int64_t cols, int32_t accumulate_dx, int32_t accumulate_params,
                                  aios_dtype dtype) {
  if (const aios_status status = aios::check_extents("aios_rmsnorm_backward", {{"rows", rows}, {"cols", cols}}))
    return status;
  if (dweight)
    if (const aios_status status = aios::check_workspace("aios_rmsnorm_backward", workspace, workspace_bytes,
                                                         aios_norm_backward_workspace_size(rows, cols, dtype)))
      return status;
  return with_type("aios_rmsnorm_backward", dtype, [&](auto type) {
    using T = decltype(type);
    return norm_backward<T, false>(stream, "rmsnorm_backward_params_kernel", "rmsnorm_backward_kernel",
                                   {static_cast<T *>(dx), static_cast<T *>(dweight), nullptr,
                                    static_cast<const T *>(dout), static_cast<const T *>(x),
                                    static_cast<const T *>(weight), nullptr, rstd, static_cast<float *>(workspace),
                                    rows, cols, accumulate_dx != 0, accumulate_params != 0});
  });
}

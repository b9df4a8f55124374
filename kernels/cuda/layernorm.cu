// aios_layernorm: out[r][c] = (x[r][c] - mean[r]) * rstd[r] * weight[c] + bias[c] over [rows][cols]; the mean and
// 1 / sqrt(biased variance + epsilon) of each row are kept for the gradient when the caller gives room. `out` may be x.
// aios_layernorm_backward: dx, dweight and dbias; see norm.cuh for the formulas and the fixed order of the sums.
#include "norm.cuh"

using namespace aios::cuda;

int64_t aios_norm_backward_workspace_size(int64_t rows, int64_t cols, aios_dtype) {
  if (const aios_status status =
          aios::check_extents("aios_norm_backward_workspace_size", {{"rows", rows}, {"cols", cols}}))
    return -status;
  return norm_chunks(rows) * 2 * cols * static_cast<int64_t>(sizeof(float));
}

aios_status aios_layernorm(aios_stream stream, void *out, float *mean, float *rstd, const void *x, const void *weight,
                           const void *bias, int64_t rows, int64_t cols, float epsilon, aios_dtype dtype) {
  if (const aios_status status = aios::check_extents("aios_layernorm", {{"rows", rows}, {"cols", cols}}))
    return status;
  return with_type("aios_layernorm", dtype, [&](auto type) {
    using T = decltype(type);
    return norm<T, true>(stream, "layernorm_kernel",
                         {static_cast<T *>(out), mean, rstd, static_cast<const T *>(x), static_cast<const T *>(weight),
                          static_cast<const T *>(bias), rows, cols, epsilon});
  });
}

aios_status aios_layernorm_backward(aios_stream stream, void *dx, void *dweight, void *dbias, const void *dout,
                                    const void *x, const void *weight, const float *mean, const float *rstd,
                                    void *workspace, int64_t workspace_bytes, int64_t rows, int64_t cols,
                                    int32_t accumulate_dx, int32_t accumulate_params, aios_dtype dtype) {
  if (const aios_status status = aios::check_extents("aios_layernorm_backward", {{"rows", rows}, {"cols", cols}}))
    return status;
  if (dweight || dbias)
    if (const aios_status status = aios::check_workspace("aios_layernorm_backward", workspace, workspace_bytes,
                                                         aios_norm_backward_workspace_size(rows, cols, dtype)))
      return status;
  return with_type("aios_layernorm_backward", dtype, [&](auto type) {
    using T = decltype(type);
    return norm_backward<T, true>(stream, "layernorm_backward_params_kernel", "layernorm_backward_kernel",
                                  {static_cast<T *>(dx), static_cast<T *>(dweight), static_cast<T *>(dbias),
                                   static_cast<const T *>(dout), static_cast<const T *>(x),
                                   static_cast<const T *>(weight), mean, rstd, static_cast<float *>(workspace), rows,
                                   cols, accumulate_dx != 0, accumulate_params != 0});
  });
}

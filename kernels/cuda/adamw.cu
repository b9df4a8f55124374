// aios_adamw: one AdamW step of all tensors, for step t = 1, 2, ...
//   g = grad * grad_scale[0];  p *= 1 - lr * weight_decay
//   m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2
//   p -= lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon)
// Scalars are computed in binary64 and rounded once.
#include <cmath>

#include "tensors.cuh"

namespace aios::cuda {
namespace {

struct AdamW {
  const float *grad_scale;
  float beta1, beta2, rest1, rest2, rate, root, epsilon;
  double lr;
  float scale;

  __device__ __forceinline__ void begin() { scale = grad_scale ? grad_scale[0] : 1.0f; }
  __device__ __forceinline__ float operator()(const aios_adamw_tensor &tensor, int64_t i, float p, float grad) const {
    const float g = grad * scale, keep = static_cast<float>(1.0 - lr * tensor.weight_decay);
    const float m = fmaf(beta1, tensor.m[i], rest1 * g), v = fmaf(beta2, tensor.v[i], rest2 * g * g);
    tensor.m[i] = m;
    tensor.v[i] = v;
    return fmaf(-rate, m / fmaf(sqrtf(v), root, epsilon), p * keep);
  }
};

} // namespace
} // namespace aios::cuda

using namespace aios::cuda;

aios_status aios_adamw(aios_stream stream, const aios_adamw_tensor *tensors, const float *grad_scale, int64_t count,
                       int64_t step, double lr, double beta1, double beta2, double epsilon) {
  if (const aios_status status = aios::check_adamw(count, step, beta1, beta2))
    return status;
  if (count == 0)
    return AIOS_STATUS_OK;
  const double t = static_cast<double>(step);
  const AdamW update = {grad_scale,
                        static_cast<float>(beta1),
                        static_cast<float>(beta2),
                        static_cast<float>(1.0 - beta1),
                        static_cast<float>(1.0 - beta2),
                        static_cast<float>(lr / (1.0 - std::pow(beta1, t))),
                        static_cast<float>(1.0 / std::sqrt(1.0 - std::pow(beta2, t))),
                        static_cast<float>(epsilon),
                        lr,
                        1.0f};
  return launch(stream, "adamw_kernel", Shape{kTableBlocks, kThreads}, update_tensors_kernel<aios_adamw_tensor, AdamW>,
                tensors, count, update, report_of(stream, "aios_adamw"));
}

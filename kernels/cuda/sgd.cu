// aios_sgd: one step of stochastic gradient descent of all tensors, for step t = 1, 2, ...
//   g = grad * grad_scale[0] + weight_decay * p
//   u = g at t = 1, else momentum * u + g;  p -= lr * u, or lr * g for a tensor without velocity
#include "tensors.cuh"

namespace aios::cuda {
namespace {

struct Sgd {
  const float *grad_scale;
  float rate, momentum;
  bool first;
  float scale;

  __device__ __forceinline__ void begin() { scale = grad_scale ? grad_scale[0] : 1.0f; }
  __device__ __forceinline__ float operator()(const aios_sgd_tensor &tensor, int64_t i, float p, float grad) const {
    float u = fmaf(static_cast<float>(tensor.weight_decay), p, grad * scale);
    if (tensor.velocity) {
      if (!first)
        u = fmaf(momentum, tensor.velocity[i], u);
      tensor.velocity[i] = u;
    }
    return fmaf(-rate, u, p);
  }
};

} // namespace
} // namespace aios::cuda

using namespace aios::cuda;

aios_status aios_sgd(aios_stream stream, const aios_sgd_tensor *tensors, const float *grad_scale, int64_t count,
                     int64_t step, double lr, double momentum) {
  if (const aios_status status = aios::check_sgd(count, step))
    return status;
  if (count == 0)
    return AIOS_STATUS_OK;
  const Sgd update = {grad_scale, static_cast<float>(lr), static_cast<float>(momentum), step == 1, 1.0f};
  return launch(stream, "sgd_kernel", Shape{kTableBlocks, kThreads}, update_tensors_kernel<aios_sgd_tensor, Sgd>,
                tensors, count, update, report_of(stream, "aios_sgd"));
}

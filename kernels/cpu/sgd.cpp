// aios_sgd: one step of stochastic gradient descent of all tensors, for step t = 1, 2, ...
//   g = grad * grad_scale[0] + weight_decay * p
//   u = g at t = 1, else momentum * u + g;  p -= lr * u, or lr * g for a tensor without velocity
#include "tensors.h"

namespace aios::AIOS_ISA {

namespace {

/// `copy` receives p rounded, unless it is null.
template <class P, class T>
void update(P *p, T *copy, const T *grad, float *velocity, int64_t n, float grad_scale, float weight_decay, float rate,
            float momentum, bool first) {
  const VF scale = set1(grad_scale), decay = set1(weight_decay), minus_rate = set1(-rate), mu = set1(momentum);
  for_vectors(n, [=](int64_t i, auto lanes) {
    const VF x = load(p + i, lanes);
    VF u = fma(decay, x, load(grad + i, lanes) * scale);
    if (velocity) {
      if (!first)
        u = fma(mu, load(velocity + i, lanes), u);
      store(velocity + i, u, lanes);
    }
    const VF next = fma(minus_rate, u, x);
    store(p + i, next, lanes);
    if (copy)
      store(copy + i, next, lanes);
  });
}

} // namespace

aios_status aios_sgd(aios_stream stream, const aios_sgd_tensor *tensors, const float *grad_scale, int64_t count,
                     int64_t step, double lr, double momentum) {
  if (const aios_status status = check_sgd(count, step))
    return status;
  return enqueue(stream, [=](Team &team) {
    const float scale = grad_scale ? grad_scale[0] : 1.0f;
    parallel_tensors(team, tensors, count, [&](const aios_sgd_tensor &tensor, int64_t begin, int64_t n, int64_t) {
      with_tensor_type(team, tensor.dtype, [&](auto type) {
        using T = decltype(type);
        with_master<T>(tensor, begin, [&](auto *p, T *copy) {
          update(p, copy, static_cast<const T *>(tensor.grad) + begin,
                 tensor.velocity ? tensor.velocity + begin : nullptr, n, scale, static_cast<float>(tensor.weight_decay),
                 static_cast<float>(lr), static_cast<float>(momentum), step == 1);
        });
      });
    });
  });
}

} // namespace aios::AIOS_ISA

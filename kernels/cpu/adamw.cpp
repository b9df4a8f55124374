// aios_adamw: one AdamW step of all tensors, for step t = 1, 2, ...
//   g = grad * grad_scale[0];  p *= 1 - lr * weight_decay
//   m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2
//   p -= lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon)
// One pass over 28 bytes per element, with f32 parameters as with bf16 ones and an f32 master: bound by memory. A bf16
// parameter is only written; where the tensors cannot stay in the caches it is stored past them, which saves reading
// each line before it is overwritten. Scalars are computed in double and rounded once.
#include "tensors.h"

namespace aios::AIOS_ISA {

namespace {

struct Coefficients {
  float beta1, beta2, rest1, rest2, rate, root, epsilon;
};

/// `copy` receives p rounded, unless it is null; past the caches if it is aligned to a vector.
template <bool kStream, class P, class T>
[[gnu::flatten]] void update(P *p, T *copy, const T *grad, float *m, float *v, int64_t n, float grad_scale, float decay,
                             const Coefficients &c) {
  const VF scale = set1(grad_scale), keep = set1(decay), rate = set1(-c.rate), root = set1(c.root);
  const VF beta1 = set1(c.beta1), rest1 = set1(c.rest1), beta2 = set1(c.beta2), rest2 = set1(c.rest2);
  const VF epsilon = set1(c.epsilon);
  for_packs(n, [=](int64_t i, auto lanes) {
    const auto g = load(grad + i, lanes) * scale;
    const auto first = fma(beta1, load(m + i, lanes), rest1 * g);
    const auto second = fma(beta2, load(v + i, lanes), rest2 * g * g);
    const auto x = load(p + i, lanes) * keep;
    store(m + i, first, lanes);
    store(v + i, second, lanes);
    const auto next = fma(rate, first / fma(sqrt(second), root, epsilon), x);
    store(p + i, next, lanes);
    if constexpr (kStream)
      stream(copy + i, next, lanes);
    else if (copy)
      store(copy + i, next, lanes);
  });
  if (kStream)
    stream_fence();
}

} // namespace

aios_status aios_adamw(aios_stream stream, const aios_adamw_tensor *tensors, const float *grad_scale, int64_t count,
                       int64_t step, double lr, double beta1, double beta2, double epsilon) {
  if (const aios_status status = check_adamw(count, step, beta1, beta2))
    return status;
  const double t = static_cast<double>(step);
  const Coefficients c = {static_cast<float>(beta1),
                          static_cast<float>(beta2),
                          static_cast<float>(1.0 - beta1),
                          static_cast<float>(1.0 - beta2),
                          static_cast<float>(lr / (1.0 - std::pow(beta1, t))),
                          static_cast<float>(1.0 / std::sqrt(1.0 - std::pow(beta2, t))),
                          static_cast<float>(epsilon)};
  return enqueue(stream, [=](Team &team) {
    const float scale = grad_scale ? grad_scale[0] : 1.0f;
    const bool large =
        tensor_chunks(tensors, count) * kTensorChunk * static_cast<int64_t>(sizeof(float)) >= kStreamBytes;
    parallel_tensors(team, tensors, count, [&](const aios_adamw_tensor &tensor, int64_t begin, int64_t n, int64_t) {
      with_tensor_type(team, tensor.dtype, [&](auto type) {
        using T = decltype(type);
        with_master<T>(tensor, begin, [&](auto *p, T *copy) {
          const auto run = large && copy && to_alignment(copy) == 0
                               ? update<true, std::remove_pointer_t<decltype(p)>, T>
                               : update<false, std::remove_pointer_t<decltype(p)>, T>;
          run(p, copy, static_cast<const T *>(tensor.grad) + begin, tensor.m + begin, tensor.v + begin, n, scale,
              static_cast<float>(1.0 - lr * tensor.weight_decay), c);
        });
      });
    });
  });
}

} // namespace aios::AIOS_ISA

// Walks many tensors in fixed chunks, so that one huge tensor and a hundred small ones are shared out alike. Where the
// chunks lie depends on the sizes only.
#pragma once

#include "loops.h"

namespace aios::AIOS_ISA {

constexpr int64_t kTensorChunk = 32768;

/// Chunks of `count` tensors that have a field n.
template <class Tensor> AIOS_INLINE int64_t tensor_chunks(const Tensor *tensors, int64_t count) {
  int64_t chunks = 0;
  for (int64_t i = 0; i < count; i++)
    chunks += ceil_div(tensors[i].n, kTensorChunk);
  return chunks;
}

/// Calls f(tensor, begin, n, chunk) for every chunk of every tensor, in parallel.
template <class Tensor, class F>
AIOS_INLINE void parallel_tensors(Team &team, const Tensor *tensors, int64_t count, const F &f) {
  const int64_t chunks = tensor_chunks(tensors, count);
  team.parallel_for(chunks, [&](int64_t chunk, int) {
    int64_t tensor = 0, first = 0;
    for (;; tensor++) {
      const int64_t own = ceil_div(tensors[tensor].n, kTensorChunk);
      if (chunk < first + own)
        break;
      first += own;
    }
    const int64_t begin = (chunk - first) * kTensorChunk;
    f(tensors[tensor], begin, min64(kTensorChunk, tensors[tensor].n - begin), chunk);
  });
}

/// Calls f(T{}) with the storage type of a tensor of a list. A dtype without kernel fails the stream.
template <class F> AIOS_INLINE void with_tensor_type(Team &team, aios_dtype dtype, const F &f) {
  if (dtype == AIOS_DTYPE_F32)
    f(float{});
  else if (dtype == AIOS_DTYPE_BF16)
    f(bf16{});
  else
    team.fail(AIOS_STATUS_UNIMPLEMENTED,
              "dtype %d of a tensor has no CPU kernel; use AIOS_DTYPE_F32 (0) or AIOS_DTYPE_BF16 (2)",
              static_cast<int>(dtype));
}

/// Calls update(p, copy) with what a step of an optimizer updates, from element `begin` on: the binary32 master and the
/// parameter that receives it rounded, or the parameter and null when there is no master.
template <class T, class Tensor, class F>
AIOS_INLINE void with_master(const Tensor &tensor, int64_t begin, const F &update) {
  T *param = static_cast<T *>(tensor.param) + begin;
  if (tensor.master)
    update(tensor.master + begin, param);
  else
    update(param, static_cast<T *>(nullptr));
}

} // namespace aios::AIOS_ISA

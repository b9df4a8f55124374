// What the launchers share on the host: arguments that are the same for all, and the choice of a kernel by dtype.
#pragma once

#include "block.cuh"
#include "native/common/checks.h"

namespace aios::cuda {

/// Calls f(T{}) with the storage type of a floating-point dtype, or fails.
template <class F> aios_status with_type(const char *call, aios_dtype dtype, const F &f) {
  if (dtype == AIOS_DTYPE_F32)
    return f(float{});
  if (dtype == AIOS_DTYPE_BF16)
    return f(bf16{});
  return fail(AIOS_STATUS_UNIMPLEMENTED,
              "%s: dtype %d has no CUDA kernel; use AIOS_DTYPE_F32 (0) or AIOS_DTYPE_BF16 (2)", call, dtype);
}

} // namespace aios::cuda

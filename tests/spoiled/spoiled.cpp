// libaios_cpu.so with two kernels that are wrong: softmax, and the gradient of elementwise functions.
#include <dlfcn.h>

#include "aios_kernels.h"

namespace {

/// The function that the real provider exports under a name.
template <class F> F *real(F *, const char *name) {
  return reinterpret_cast<F *>(dlsym(RTLD_NEXT, name));
}

} // namespace

/// The first probability of all is 1/2.
aios_status aios_softmax(aios_stream stream, void *out, const void *a, int64_t rows, int64_t cols, aios_dtype dtype) {
  const aios_status status = real(aios_softmax, "aios_softmax")(stream, out, a, rows, cols, dtype);
  return status == AIOS_STATUS_OK ? aios_fill(stream, out, 1, 0.5, dtype) : status;
}

/// The gradient of SiLU, whatever the function was.
aios_status aios_unary_backward(aios_stream stream, void *da, const void *dout, const void *a, aios_unary_op,
                                const aios_elementwise_desc *desc) {
  return real(aios_unary_backward, "aios_unary_backward")(stream, da, dout, a, AIOS_UNARY_SILU, desc);
}

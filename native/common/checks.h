// What arguments aios_kernels.h allows, once for every provider: each function is AIOS_STATUS_OK or fails with a text
// that begins with the name of the launcher.
#pragma once

#include <initializer_list>
#include <type_traits>

#include "aios_kernels.h"
#include "status.h"

namespace aios {

struct Extent {
  const char *name;
  int64_t value;
};

/// Fails naming the first extent that is negative.
aios_status check_extents(const char *call, std::initializer_list<Extent> extents);

/// Fails when a workspace is missing, too small or not aligned to 64 bytes. A negative need is a negated status.
aios_status check_workspace(const char *call, const void *workspace, int64_t bytes, int64_t need);

/// `last` is the greatest op of the family.
aios_status check_elementwise(const char *call, int32_t op, int32_t last, const aios_elementwise_desc *desc);

aios_status check_fill(int64_t n, double value, aios_dtype dtype);
aios_status check_dropout(int64_t n, float probability);
aios_status check_reduce(int64_t outer, int64_t n, int64_t inner, aios_reduce_op op, int32_t accumulate);
aios_status check_argmax(int64_t outer, int64_t n, int64_t inner);
aios_status check_rope(int64_t batch, int64_t length, int64_t heads, int64_t head_dim, float theta);
aios_status check_cross_entropy(const char *call, int64_t rows, int64_t classes, int64_t ld);
aios_status check_adamw(int64_t count, int64_t step, double beta1, double beta2);
aios_status check_sgd(int64_t count, int64_t step);
aios_status check_gemm(const aios_gemm_desc *desc);

/// Of a product that is not empty: nothing that it reads or writes is null.
aios_status check_gemm_operands(const aios_gemm_desc &d, const void *c, const void *a, const void *b, const void *bias,
                                const void *residual);

/// Largest head_dim of attention.
constexpr int kMaxHeadDim = 256;

aios_status check_attention(const char *call, const aios_attention_desc *desc);

/// Of an attention that is not empty: nothing that it reads or writes is null.
aios_status check_attention_operands(const aios_attention_desc &d, const void *out, const void *q, const void *k,
                                     const void *v);
aios_status check_attention_backward_operands(const aios_attention_desc &d, const void *dq, const void *dk,
                                              const void *dv, const void *dout, const void *out, const void *lse,
                                              const void *q, const void *k, const void *v);

/// The error of a function for which a provider has no kernel. One that returns a size gives it as the negated status.
template <class Result> Result missing(const char *function, const char *provider) {
  const aios_status status = fail(AIOS_STATUS_UNIMPLEMENTED, "%s: there is no %s kernel", function, provider);
  return std::is_same_v<Result, aios_status> ? status : -status;
}

} // namespace aios

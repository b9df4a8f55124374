#include "checks.h"

namespace aios {
namespace {

using ll = long long;

aios_status check_step(const char *call, int64_t step) {
  if (step < 1)
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "%s: step must be >= 1, got %lld", call, static_cast<ll>(step));
  return AIOS_STATUS_OK;
}

} // namespace

aios_status check_extents(const char *call, std::initializer_list<Extent> extents) {
  for (const Extent &e : extents)
    if (e.value < 0)
      return fail(AIOS_STATUS_INVALID_ARGUMENT, "%s: %s must be >= 0, got %lld", call, e.name,
                  static_cast<ll>(e.value));
  return AIOS_STATUS_OK;
}

aios_status check_workspace(const char *call, const void *workspace, int64_t bytes, int64_t need) {
  if (need < 0)
    return static_cast<aios_status>(-need);
  if (need > 0 && (workspace == nullptr || bytes < need || reinterpret_cast<uintptr_t>(workspace) % 64 != 0))
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "%s: workspace needs %lld bytes, 64-byte aligned, got %lld at %p", call,
                static_cast<ll>(need), static_cast<ll>(bytes), workspace);
  return AIOS_STATUS_OK;
}

aios_status check_elementwise(const char *call, int32_t op, int32_t last, const aios_elementwise_desc *desc) {
  if (op < 0 || op > last)
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "%s: op must be 0 to %d, got %d", call, last, op);
  if (desc->rank < 0 || desc->rank > AIOS_MAX_RANK)
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "%s: rank must be 0 to %d, got %d", call, int{AIOS_MAX_RANK}, desc->rank);
  for (int d = 0; d < desc->rank; d++)
    if (desc->shape[d] < 0)
      return fail(AIOS_STATUS_INVALID_ARGUMENT, "%s: shape[%d] must be >= 0, got %lld", call, d,
                  static_cast<ll>(desc->shape[d]));
  return AIOS_STATUS_OK;
}

aios_status check_fill(int64_t n, double value, aios_dtype dtype) {
  if (dtype == AIOS_DTYPE_I32 && !(value > -2147483649.0 && value < 2147483648.0))
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "aios_fill: value %g does not fit AIOS_DTYPE_I32", value);
  return check_extents("aios_fill", {{"n", n}});
}

aios_status check_dropout(int64_t n, float probability) {
  if (!(probability >= 0.0f && probability < 1.0f))
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "aios_dropout: probability must be >= 0 and < 1, got %g",
                static_cast<double>(probability));
  return check_extents("aios_dropout", {{"n", n}});
}

aios_status check_reduce(int64_t outer, int64_t n, int64_t inner, aios_reduce_op op, int32_t accumulate) {
  if (op < AIOS_REDUCE_SUM || op > AIOS_REDUCE_MIN)
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "aios_reduce: op must be 0 to 3, got %d", op);
  if (accumulate != 0 && op >= AIOS_REDUCE_MAX)
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "aios_reduce: accumulate is for SUM and MEAN, not for op %d", op);
  return check_extents("aios_reduce", {{"outer", outer}, {"n", n}, {"inner", inner}});
}

aios_status check_argmax(int64_t outer, int64_t n, int64_t inner) {
  if (const aios_status status = check_extents("aios_argmax", {{"outer", outer}, {"inner", inner}}))
    return status;
  if (n < 1 || n > INT32_MAX)
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "aios_argmax: n must be 1 to 2147483647, got %lld", static_cast<ll>(n));
  return AIOS_STATUS_OK;
}

aios_status check_rope(int64_t batch, int64_t length, int64_t heads, int64_t head_dim, float theta) {
  if (const aios_status status =
          check_extents("aios_rope", {{"batch", batch}, {"length", length}, {"heads", heads}, {"head_dim", head_dim}}))
    return status;
  if (head_dim % 2 != 0)
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "aios_rope: head_dim must be even, got %lld", static_cast<ll>(head_dim));
  if (!(theta > 0.0f))
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "aios_rope: theta must be > 0, got %g", static_cast<double>(theta));
  return AIOS_STATUS_OK;
}

aios_status check_cross_entropy(const char *call, int64_t rows, int64_t classes, int64_t ld) {
  if (const aios_status status = check_extents(call, {{"rows", rows}, {"classes", classes}}))
    return status;
  if (ld < classes)
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "%s: ld must be >= classes (%lld), got %lld", call,
                static_cast<ll>(classes), static_cast<ll>(ld));
  return AIOS_STATUS_OK;
}

aios_status check_adamw(int64_t count, int64_t step, double beta1, double beta2) {
  if (!(beta1 >= 0.0 && beta1 < 1.0 && beta2 >= 0.0 && beta2 < 1.0))
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "aios_adamw: betas must be >= 0 and < 1, got %g and %g", beta1, beta2);
  if (const aios_status status = check_extents("aios_adamw", {{"count", count}}))
    return status;
  return check_step("aios_adamw", step);
}

aios_status check_sgd(int64_t count, int64_t step) {
  if (const aios_status status = check_extents("aios_sgd", {{"count", count}}))
    return status;
  return check_step("aios_sgd", step);
}

aios_status check_gemm(const aios_gemm_desc *d) {
  if (d == nullptr)
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "gemm: desc is null");
  if (d->m < 0 || d->n < 0 || d->k < 0 || d->batch < 0)
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "gemm: m, n, k, batch are %lld, %lld, %lld, %lld; none may be negative",
                static_cast<ll>(d->m), static_cast<ll>(d->n), static_cast<ll>(d->k), static_cast<ll>(d->batch));
  const bool integers = d->out_dtype == AIOS_DTYPE_I32;
  const bool supported = d->dtype == AIOS_DTYPE_I8 ? integers || d->out_dtype == AIOS_DTYPE_F32
                                                   : (d->dtype == AIOS_DTYPE_F32 || d->dtype == AIOS_DTYPE_BF16) &&
                                                         (d->out_dtype == AIOS_DTYPE_F32 || d->out_dtype == d->dtype);
  if (!supported)
    return fail(AIOS_STATUS_UNIMPLEMENTED, "gemm: no kernel for dtype %d with out_dtype %d", d->dtype, d->out_dtype);
  const struct {
    const char *name;
    int64_t pitch, length;
  } pitches[] = {{"lda", d->lda, d->trans_a ? d->m : d->k},
                 {"ldb", d->ldb,
                  d->packed_b  ? d->ldb
                  : d->trans_b ? d->k
                               : d->n},
                 {"ldc", d->ldc, d->n},
                 {"ldr", d->ldr, d->epilogue & AIOS_EPILOGUE_RESIDUAL ? d->n : d->ldr}};
  for (const auto &p : pitches)
    if (p.pitch < p.length)
      return fail(AIOS_STATUS_INVALID_ARGUMENT, "gemm: %s is %lld; a row has %lld elements", p.name,
                  static_cast<ll>(p.pitch), static_cast<ll>(p.length));
  if ((d->epilogue & ~(AIOS_EPILOGUE_BIAS | AIOS_EPILOGUE_GELU_TANH | AIOS_EPILOGUE_RESIDUAL)) != 0)
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "gemm: epilogue has unknown flags (%d)", d->epilogue);
  if (integers && (d->alpha != 1.0f || (d->beta != 0.0f && d->beta != 1.0f) || d->epilogue != AIOS_EPILOGUE_NONE))
    return fail(AIOS_STATUS_INVALID_ARGUMENT,
                "gemm: integer results take alpha 1, beta 0 or 1 and no epilogue, not %g, %g and %d",
                static_cast<double>(d->alpha), static_cast<double>(d->beta), d->epilogue);
  return AIOS_STATUS_OK;
}

aios_status check_gemm_operands(const aios_gemm_desc &d, const void *c, const void *a, const void *b, const void *bias,
                                const void *residual) {
  if (c == nullptr || (d.k > 0 && (a == nullptr || b == nullptr)) ||
      ((d.epilogue & AIOS_EPILOGUE_BIAS) && bias == nullptr) ||
      ((d.epilogue & AIOS_EPILOGUE_RESIDUAL) && residual == nullptr))
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "gemm: c, a, b, or what the epilogue names, is null");
  return AIOS_STATUS_OK;
}

aios_status check_attention(const char *call, const aios_attention_desc *d) {
  if (d == nullptr)
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "%s: desc is null", call);
  if (d->dtype != AIOS_DTYPE_F32 && d->dtype != AIOS_DTYPE_BF16)
    return fail(AIOS_STATUS_UNIMPLEMENTED, "%s: no kernel for dtype %d", call, d->dtype);
  if (d->batch < 0 || d->heads < 0 || d->kv_heads < 0 || d->q_len < 0 || d->kv_len < 0)
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "%s: an extent is negative", call);
  if (d->head_dim < 1 || d->head_dim > kMaxHeadDim)
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "%s: head_dim is %lld; it must be 1 to %d", call,
                static_cast<ll>(d->head_dim), kMaxHeadDim);
  if (d->heads > 0 && (d->kv_heads < 1 || d->heads % d->kv_heads != 0))
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "%s: %lld heads cannot share %lld kv_heads evenly", call,
                static_cast<ll>(d->heads), static_cast<ll>(d->kv_heads));
  if (d->causal && d->kv_len < d->q_len)
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "%s: causal attention of %lld queries needs as many keys, not %lld", call,
                static_cast<ll>(d->q_len), static_cast<ll>(d->kv_len));
  return AIOS_STATUS_OK;
}

aios_status check_attention_operands(const aios_attention_desc &d, const void *out, const void *q, const void *k,
                                     const void *v) {
  if (out == nullptr || q == nullptr || (d.kv_len > 0 && (k == nullptr || v == nullptr)))
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "attention: out, q, k or v is null");
  return AIOS_STATUS_OK;
}

aios_status check_attention_backward_operands(const aios_attention_desc &d, const void *dq, const void *dk,
                                              const void *dv, const void *dout, const void *out, const void *lse,
                                              const void *q, const void *k, const void *v) {
  if ((d.q_len > 0 && (dq == nullptr || dout == nullptr || out == nullptr || lse == nullptr || q == nullptr)) ||
      (d.kv_len > 0 && (dk == nullptr || dv == nullptr || k == nullptr || v == nullptr)))
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "attention_backward: an operand is null");
  return AIOS_STATUS_OK;
}

} // namespace aios

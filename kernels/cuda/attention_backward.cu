// aios_attention_backward: the gradient of attention, with the probabilities computed again from lse.
//
// With P = exp(scale q k^T - lse), delta = rowsum(dout * out):
//   dv = P^T dout,   dS = P * (dout v^T - delta),   dq = scale dS k,   dk = scale dS^T q
// delta goes to the workspace ([batch][heads][q_len] floats); then one kernel sums dq over the keys and another dk and
// dv over the queries of all heads that share a key, each in their order.
#include "attention.cuh"

namespace aios::cuda {
namespace {

template <class T> struct Backward {
  aios_attention_desc d;
  Rows<T> dq, dk, dv;
  Rows<const T> dout, out, q, k, v;
  const float *lse;
  float *delta;
};

/// P and dS of a query and a key.
struct Weights {
  float p, ds;
};

template <class T>
__device__ __forceinline__ Weights weights(const Backward<T> &p, int64_t b, int64_t h, int64_t kv_head, int64_t query,
                                           int64_t key) {
  const aios_attention_desc &d = p.d;
  const int64_t row = (b * d.heads + h) * d.q_len + query;
  const float score = dot(p.q(b, h, query), p.k(b, kv_head, key), d.head_dim) * d.scale;
  const float weight = expf(score - p.lse[row]);
  return {weight, weight * (dot(p.dout(b, h, query), p.v(b, kv_head, key), d.head_dim) - p.delta[row])};
}

template <class T> __global__ void attention_delta_kernel(Backward<T> p) {
  const aios_attention_desc &d = p.d;
  for (int64_t i = first_element(); i < d.batch * d.heads * d.q_len; i += element_step()) {
    const int64_t b = i / (d.heads * d.q_len), h = i / d.q_len % d.heads, t = i % d.q_len;
    p.delta[i] = dot(p.dout(b, h, t), p.out(b, h, t), d.head_dim);
  }
}

template <class T, int Slice>
__global__ void __launch_bounds__(kAttentionThreads) attention_dq_kernel(Backward<T> p, int64_t slices) {
  const aios_attention_desc &d = p.d;
  for (int64_t i = first_element(); i < d.batch * d.heads * slices * d.q_len; i += element_step()) {
    const Place at(i, d.heads, slices, Slice, d.q_len);
    const int64_t kv_head = at.head / (d.heads / d.kv_heads), keys = keys_of(d, at.position);
    Part<Slice> dq(d.head_dim - at.first);
    for (int64_t key = 0; key < keys; key++)
      dq.add(weights(p, at.batch, at.head, kv_head, at.position, key).ds, p.k(at.batch, kv_head, key) + at.first);
    dq.scale(d.scale);
    dq.put(p.dq(at.batch, at.head, at.position) + at.first);
  }
}

template <class T, int Slice>
__global__ void __launch_bounds__(kAttentionThreads) attention_dkv_kernel(Backward<T> p, int64_t slices) {
  const aios_attention_desc &d = p.d;
  const int64_t group = d.heads / d.kv_heads;
  for (int64_t i = first_element(); i < d.batch * d.kv_heads * slices * d.kv_len; i += element_step()) {
    const Place at(i, d.kv_heads, slices, Slice, d.kv_len);
    const int64_t first_query = d.causal ? max64(0, at.position - (d.kv_len - d.q_len)) : 0;
    Part<Slice> dk(d.head_dim - at.first), dv(d.head_dim - at.first);
    for (int64_t h = at.head * group; h < (at.head + 1) * group; h++)
      for (int64_t query = first_query; query < d.q_len; query++) {
        const Weights w = weights(p, at.batch, h, at.head, query, at.position);
        dk.add(w.ds, p.q(at.batch, h, query) + at.first);
        dv.add(w.p, p.dout(at.batch, h, query) + at.first);
      }
    dk.scale(d.scale);
    dk.put(p.dk(at.batch, at.head, at.position) + at.first);
    dv.put(p.dv(at.batch, at.head, at.position) + at.first);
  }
}

template <class T, int Slice> aios_status run(aios_stream stream, const Backward<T> &p) {
  const aios_attention_desc &d = p.d;
  const int64_t slices = ceil_div(d.head_dim, Slice), queries = d.batch * d.heads * d.q_len;
  if (queries > 0) {
    const Shape shape = shape_of_elements(queries);
    if (const aios_status status =
            launch(stream, "attention_backward_delta_kernel", shape, attention_delta_kernel<T>, p))
      return status;
    const Shape tall = shape_of_attention(queries, slices);
    if (const aios_status status =
            launch(stream, "attention_backward_dq_kernel", tall, attention_dq_kernel<T, Slice>, p, slices))
      return status;
  }
  if (d.kv_len == 0)
    return AIOS_STATUS_OK;
  const Shape shape = shape_of_attention(d.batch * d.kv_heads * d.kv_len, slices);
  return launch(stream, "attention_backward_dkv_kernel", shape, attention_dkv_kernel<T, Slice>, p, slices);
}

} // namespace
} // namespace aios::cuda

using namespace aios::cuda;

int64_t aios_attention_backward_workspace_size(const aios_attention_desc *desc) {
  const aios_status status = aios::check_attention("attention_backward", desc);
  return status == AIOS_STATUS_OK ? desc->batch * desc->heads * desc->q_len * static_cast<int64_t>(sizeof(float))
                                  : -static_cast<int64_t>(status);
}

aios_status aios_attention_backward(aios_stream stream, void *dq, void *dk, void *dv, const void *dout, const void *out,
                                    const float *lse, const void *q, const void *k, const void *v, void *workspace,
                                    int64_t workspace_bytes, const aios_attention_desc *desc) {
  const int64_t bytes = aios_attention_backward_workspace_size(desc);
  if (bytes < 0)
    return static_cast<aios_status>(-bytes);
  const aios_attention_desc &d = *desc;
  if (d.batch == 0 || d.heads == 0 || (d.q_len == 0 && d.kv_len == 0))
    return AIOS_STATUS_OK;
  if (const aios_status status = aios::check_attention_backward_operands(d, dq, dk, dv, dout, out, lse, q, k, v))
    return status;
  if (const aios_status status = aios::check_workspace("attention_backward", workspace, workspace_bytes, bytes))
    return status;
  return with_type("attention_backward", d.dtype, [&](auto type) {
    using T = decltype(type);
    return with_slice(d.head_dim, [&](auto slice) {
      return run<T, slice>(stream, {d, rows_of<T>(dq, d.q_stride), rows_of<T>(dk, d.k_stride),
                                    rows_of<T>(dv, d.v_stride), rows_of<T>(dout, d.out_stride),
                                    rows_of<T>(out, d.out_stride), rows_of<T>(q, d.q_stride), rows_of<T>(k, d.k_stride),
                                    rows_of<T>(v, d.v_stride), lse, static_cast<float *>(workspace)});
    });
  });
}

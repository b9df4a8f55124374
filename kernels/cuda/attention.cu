// aios_attention: out = softmax(scale q k^T + mask) v, by online softmax (Milakov & Gimelshein, arXiv:1805.02867; Dao
// et al., arXiv:2205.14135): the running maximum, sum and output of a query see the keys in their order. lse receives
// the log of each row's sum of exponentials; a query without keys gives 0 and -infinity.
#include "attention.cuh"

#include <cfloat>

namespace aios::cuda {
namespace {

template <class T> struct Forward {
  aios_attention_desc d;
  Rows<T> out;
  float *lse;
  Rows<const T> q, k, v;
};

template <class T, int Slice>
__global__ void __launch_bounds__(kAttentionThreads) attention_kernel(Forward<T> p, int64_t slices) {
  const aios_attention_desc &d = p.d;
  for (int64_t i = first_element(); i < d.batch * d.heads * slices * d.q_len; i += element_step()) {
    const Place at(i, d.heads, slices, Slice, d.q_len);
    const int64_t kv_head = at.head / (d.heads / d.kv_heads), keys = keys_of(d, at.position);
    const T *query = p.q(at.batch, at.head, at.position);
    Part<Slice> part(d.head_dim - at.first);
    float top = -FLT_MAX, total = 0.0f;
    for (int64_t key = 0; key < keys; key++) {
      const float score = dot(query, p.k(at.batch, kv_head, key), d.head_dim) * d.scale;
      if (score > top) {
        const float decay = expf(top - score);
        part.scale(decay);
        total *= decay;
        top = score;
      }
      const float weight = expf(score - top);
      total += weight;
      part.add(weight, p.v(at.batch, kv_head, key) + at.first);
    }
    part.scale(keys == 0 ? 0.0f : 1.0f / total);
    part.put(p.out(at.batch, at.head, at.position) + at.first);
    if (p.lse && at.first == 0)
      p.lse[(at.batch * d.heads + at.head) * d.q_len + at.position] = keys == 0 ? -INFINITY : top + logf(total);
  }
}

} // namespace
} // namespace aios::cuda

using namespace aios::cuda;

int64_t aios_attention_workspace_size(const aios_attention_desc *desc) {
  return -static_cast<int64_t>(aios::check_attention("attention", desc));
}

aios_status aios_attention(aios_stream stream, void *out, float *lse, const void *q, const void *k, const void *v,
                           void *, int64_t, const aios_attention_desc *desc) {
  if (const aios_status status = aios::check_attention("attention", desc))
    return status;
  const aios_attention_desc &d = *desc;
  if (d.batch == 0 || d.heads == 0 || d.q_len == 0)
    return AIOS_STATUS_OK;
  if (const aios_status status = aios::check_attention_operands(d, out, q, k, v))
    return status;
  return with_type("attention", d.dtype, [&](auto type) {
    using T = decltype(type);
    return with_slice(d.head_dim, [&](auto slice) {
      const int64_t slices = ceil_div(d.head_dim, slice);
      const Shape shape = shape_of_attention(d.batch * d.heads * d.q_len, slices);
      return launch(stream, "attention_kernel", shape, attention_kernel<T, slice>,
                    Forward<T>{d, rows_of<T>(out, d.out_stride), lse, rows_of<T>(q, d.q_stride),
                               rows_of<T>(k, d.k_stride), rows_of<T>(v, d.v_stride)},
                    slices);
    });
  });
}

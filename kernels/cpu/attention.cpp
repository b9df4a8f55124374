// aios_attention: out = softmax(scale q k^T + mask) v, by online softmax over blocks of keys (Milakov & Gimelshein,
// arXiv:1805.02867; Dao et al., arXiv:2205.14135). One task is one block of queries of one head; the scores of a block
// never leave the cache. The running maximum, sum and output of a query see the keys in their order, whoever computes
// them.
#include "attention_tile.h"

namespace aios::AIOS_ISA {
namespace {

struct Forward {
  aios_attention_desc d;
  void *out;
  float *lse;
  const void *q, *k, *v;
};

/// One block of queries: what it holds while the blocks of keys pass by.
template <class T> class QueryBlock {
public:
  QueryBlock(const Forward &p, void *scratch, int64_t batch, int64_t head, int64_t first)
      : d_(p.d), pitch_(round_up_lanes(p.d.head_dim)), batch_(batch), head_(head), first_(first),
        count_(static_cast<int>(p.d.q_len - first < kQueries ? p.d.q_len - first : kQueries)),
        lanes_(round_up_lanes(count_)) {
    Arena arena(scratch);
    queries_ = arena.take(d_.head_dim * kQueries);
    keys_ = arena.take(int64_t{kKeys} * pitch_);
    values_ = arena.take(int64_t{kKeys} * pitch_);
    scores_ = arena.take(kKeys * kQueries);
    sums_ = arena.take(int64_t{kQueries} * pitch_);
    static_assert((4 * kQueries * kMaxHeadDim + kKeys * kQueries) * sizeof(float) <= kScratchBytes);
  }

  void run(const Forward &p) {
    const int64_t kv_head = head_ / (d_.heads / d_.kv_heads);
    const Rows<const T> q = head_rows(static_cast<const T *>(p.q), d_.q_stride, batch_, head_);
    const Rows<const T> k = head_rows(static_cast<const T *>(p.k), d_.k_stride, batch_, kv_head);
    const Rows<const T> v = head_rows(static_cast<const T *>(p.v), d_.v_stride, batch_, kv_head);
    stage_columns(queries_, q[first_], q.stride, count_, lanes_, d_.head_dim, d_.scale);
    memset(sums_, 0, static_cast<size_t>(count_) * static_cast<size_t>(pitch_) * sizeof(float));
    for (int i = 0; i < lanes_; i++) {
      maximum_[i] = -INFINITY;
      total_[i] = 0.0f;
    }
    // The last query of the block sees the most keys.
    const int64_t visible = d_.causal ? first_ + count_ + d_.kv_len - d_.q_len : d_.kv_len;
    for (int64_t key = 0; key < visible; key += kKeys) {
      const int keys = static_cast<int>(visible - key < kKeys ? visible - key : kKeys);
      stage_rows(keys_, pitch_, k[key], k.stride, keys, d_.head_dim);
      stage_rows(values_, pitch_, v[key], v.stride, keys, d_.head_dim);
      multiply_blocks<false>(
          {scores_, kQueries, keys_, pitch_, 1, queries_, kQueries, keys, lanes_, static_cast<int>(d_.head_dim)});
      take_exponentials(key, keys);
      multiply_blocks<true>({sums_, pitch_, scores_, 1, kQueries, values_, pitch_, count_, pitch_, keys});
    }
    finish(p);
  }

private:
  /// Turns scores into exp(score - maximum), after what was summed has been moved to the new maximum.
  void take_exponentials(int64_t key, int keys) {
    const int64_t offset = d_.kv_len - d_.q_len;
    const bool masked = d_.causal && key + keys - 1 > first_ + offset;
    float decay[kQueries];
    for (int lane = 0; lane < lanes_; lane += W) {
      float *column = scores_ + lane;
      if (masked) {
        // Query first_ + lane + i sees row j while key + j <= first_ + lane + i + offset.
        const VF limit = lane_numbers() + set1(static_cast<float>(first_ + lane + offset - key));
        for (int j = 0; j < keys; j++) {
          const VM hidden = lt(limit, set1(static_cast<float>(j)));
          store(column + j * kQueries, select(hidden, set1(-INFINITY), load(column + j * kQueries, Full{})), Full{});
        }
      }
      const VF before = load(maximum_ + lane, Full{});
      VF greatest = before;
      for (int j = 0; j < keys; j++)
        greatest = max(load(column + j * kQueries, Full{}), greatest);
      VF total[2] = {zero(), zero()};
      int j = 0;
      for (; j + 2 <= keys; j += 2)
        for (int half = 0; half < 2; half++) {
          const VF e = exp(load(column + (j + half) * kQueries, Full{}) - greatest);
          store(column + (j + half) * kQueries, e, Full{});
          total[half] += e;
        }
      for (; j < keys; j++) {
        const VF e = exp(load(column + j * kQueries, Full{}) - greatest);
        store(column + j * kQueries, e, Full{});
        total[0] += e;
      }
      const VF factor = exp(before - greatest);
      store(decay + lane, factor, Full{});
      store(maximum_ + lane, greatest, Full{});
      store(total_ + lane, fma(load(total_ + lane, Full{}), factor, total[0] + total[1]), Full{});
    }
    if (key == 0)
      return;
    for (int i = 0; i < count_; i++)
      if (decay[i] != 1.0f)
        for (int c = 0; c < pitch_; c += W)
          store(sums_ + i * pitch_ + c, load(sums_ + i * pitch_ + c, Full{}) * set1(decay[i]), Full{});
  }

  void finish(const Forward &p) {
    const Rows<T> out = head_rows(static_cast<T *>(p.out), d_.out_stride, batch_, head_);
    for (int i = 0; i < count_; i++) {
      // No keys at all: nothing is attended to.
      const VF factor = set1(total_[i] == 0.0f ? 0.0f : 1.0f / total_[i]);
      for_vectors(d_.head_dim, [&](int64_t c, auto lanes) {
        store(out[first_ + i] + c, load(sums_ + i * pitch_ + c, lanes) * factor, lanes);
      });
    }
    if (p.lse == nullptr)
      return;
    float *lse = p.lse + (batch_ * d_.heads + head_) * d_.q_len + first_;
    for_vectors(count_, [&](int64_t i, auto lanes) {
      store(lse + i, load(maximum_ + i, lanes) + log(load(total_ + i, lanes)), lanes);
    });
  }

  const aios_attention_desc &d_;
  const int pitch_;
  const int64_t batch_, head_, first_;
  const int count_, lanes_;
  float *queries_, *keys_, *values_, *scores_, *sums_;
  alignas(64) float maximum_[kQueries], total_[kQueries];
};

template <class T> void run(const Forward &p, Team &team) {
  const int64_t blocks = (p.d.q_len + kQueries - 1) / kQueries;
  team.parallel_for(p.d.batch * p.d.heads * blocks, [&](int64_t task, int worker) {
    // The last blocks of queries see the most keys: they go first, so that no long task is left over for the end.
    const int64_t sequences = p.d.batch * p.d.heads, block = blocks - 1 - task / sequences, head = task % sequences;
    QueryBlock<T>(p, team.scratch(worker), head / p.d.heads, head % p.d.heads, block * kQueries).run(p);
  });
}

} // namespace

int64_t aios_attention_workspace_size(const aios_attention_desc *desc) {
  return -static_cast<int64_t>(check_attention(desc, "attention")); // the workers' scratch memory is enough
}

aios_status aios_attention(aios_stream stream, void *out, float *lse, const void *q, const void *k, const void *v,
                           void *, int64_t, const aios_attention_desc *desc) {
  if (const aios_status status = check_attention(desc, "attention"); status != AIOS_STATUS_OK)
    return status;
  if (desc->batch == 0 || desc->heads == 0 || desc->q_len == 0)
    return AIOS_STATUS_OK;
  if (out == nullptr || q == nullptr || (desc->kv_len > 0 && (k == nullptr || v == nullptr)))
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "attention: out, q, k or v is null");
  const Forward problem{*desc, out, lse, q, k, v};
  return enqueue(stream, [problem](Team &team) {
    if (problem.d.dtype == AIOS_DTYPE_F32)
      run<float>(problem, team);
    else
      run<bf16>(problem, team);
  });
}

} // namespace aios::AIOS_ISA

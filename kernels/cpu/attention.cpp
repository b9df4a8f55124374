// aios_attention: out = softmax(scale q k^T + mask) v, by online softmax over blocks of keys (Milakov & Gimelshein,
// arXiv:1805.02867; Dao et al., arXiv:2205.14135). One task is a few blocks of queries of one head; the scores of a
// block never leave the cache. The running maximum, sum and output of a query see the keys in their order, whoever
// computes them.
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
struct QueryBlock {
  int64_t first, end; // the first query, and one past the last key that any of them sees
  int count, lanes;
  float *queries, *sums;
  alignas(64) float maximum[kQueries], total[kQueries];
};

/// Blocks of queries of one head that share the copies of keys and values.
constexpr int kGroup = 4;

template <class T> class QueryGroup {
public:
  QueryGroup(const Forward &p, void *scratch, int64_t batch, int64_t head, int64_t first, int blocks)
      : p_(p), d_(p.d), pitch_(round_up_lanes(p.d.head_dim)), batch_(batch), head_(head), blocks_(blocks) {
    Arena arena(scratch);
    keys_ = arena.take(int64_t{kKeys} * pitch_);
    values_ = arena.take(int64_t{kKeys} * pitch_);
    scores_ = arena.take(kKeys * kQueries);
    for (int i = 0; i < blocks; i++) {
      QueryBlock &b = block_[i];
      b.first = first + i * kQueries;
      b.count = static_cast<int>(min64(kQueries, d_.q_len - b.first));
      b.lanes = round_up_lanes(b.count);
      b.end = d_.causal ? b.first + b.count + d_.kv_len - d_.q_len : d_.kv_len;
      b.queries = arena.take(d_.head_dim * kQueries);
      b.sums = arena.take(int64_t{kQueries} * pitch_);
    }
    static_assert(((2 * kGroup + 2) * kQueries * kMaxHeadDim + kKeys * kQueries) * sizeof(float) <= kScratchBytes);
  }

  void run() {
    const int64_t kv_head = head_ / (d_.heads / d_.kv_heads);
    const Rows<const T> q = head_rows(static_cast<const T *>(p_.q), d_.q_stride, batch_, head_);
    const Rows<const T> k = head_rows(static_cast<const T *>(p_.k), d_.k_stride, batch_, kv_head);
    const Rows<const T> v = head_rows(static_cast<const T *>(p_.v), d_.v_stride, batch_, kv_head);
    for (int i = 0; i < blocks_; i++) {
      QueryBlock &b = block_[i];
      stage_columns(b.queries, q[b.first], q.stride, b.count, b.lanes, d_.head_dim, d_.scale);
      memset(b.sums, 0, static_cast<size_t>(b.count) * static_cast<size_t>(pitch_) * sizeof(float));
      for (int lane = 0; lane < b.lanes; lane++) {
        b.maximum[lane] = -INFINITY;
        b.total[lane] = 0.0f;
      }
    }
    const int64_t end = block_[blocks_ - 1].end; // the last queries see the most keys
    for (int64_t key = 0; key < end; key += kKeys) {
      const int staged = static_cast<int>(min64(kKeys, end - key));
      stage_rows(keys_, pitch_, k[key], k.stride, staged, d_.head_dim);
      stage_rows(values_, pitch_, v[key], v.stride, staged, d_.head_dim);
      for (int i = 0; i < blocks_; i++) {
        QueryBlock &b = block_[i];
        if (key >= b.end)
          continue;
        const int keys = static_cast<int>(min64(kKeys, b.end - key));
        const Visible visible(b.first + d_.kv_len - d_.q_len, key, keys, d_.causal != 0);
        score_block(scores_, visible, keys_, pitch_, b.queries, b.lanes, d_.head_dim);
        take_exponentials(b, visible, key == 0);
        add_over_keys(b.sums, visible, scores_, values_, pitch_, b.count);
      }
    }
    for (int i = 0; i < blocks_; i++)
      finish(block_[i]);
  }

private:
  /// Turns scores into exp(score - maximum), after what was summed has been moved to the new maximum.
  [[gnu::flatten]] void take_exponentials(QueryBlock &b, const Visible &visible, bool first) {
    float decay[kQueries];
    for (int lane = 0; lane < b.lanes; lane += W) {
      float *column = scores_ + lane;
      const int keys = visible.keys_of(lane);
      hide(scores_, visible, lane);
      const VF before = load(b.maximum + lane, Full{});
      Pack top = spread<Pack>(before), sum = spread<Pack>(zero());
      VF greatest = before, total = zero();
      for_rows(keys, [&](int key, auto rows) {
        accumulate_by([](const auto &x, const auto &y) { return max(x, y); }, load_rows(column + key * kQueries, rows),
                      top, greatest);
      });
      greatest = max(fold(top, [](VF x, VF y) { return max(x, y); }), greatest);
      for_rows(keys, [&](int key, auto rows) {
        const auto e = exp(load_rows(column + key * kQueries, rows) - greatest);
        store_rows(column + key * kQueries, e, rows);
        accumulate_by([](const auto &x, const auto &y) { return y + x; }, e, sum, total);
      });
      total = total + fold(sum, [](VF x, VF y) { return x + y; });
      const VF factor = exp(before - greatest);
      store(decay + lane, factor, Full{});
      store(b.maximum + lane, greatest, Full{});
      store(b.total + lane, fma(load(b.total + lane, Full{}), factor, total), Full{});
    }
    if (first)
      return;
    for (int i = 0; i < b.count; i++)
      if (decay[i] != 1.0f)
        for (int c = 0; c < pitch_; c += W)
          store(b.sums + i * pitch_ + c, load(b.sums + i * pitch_ + c, Full{}) * set1(decay[i]), Full{});
  }

  void finish(const QueryBlock &b) {
    const Rows<T> out = head_rows(static_cast<T *>(p_.out), d_.out_stride, batch_, head_);
    for (int i = 0; i < b.count; i++) {
      // No keys at all: nothing is attended to.
      const VF factor = set1(b.total[i] == 0.0f ? 0.0f : 1.0f / b.total[i]);
      for_vectors(d_.head_dim, [&](int64_t c, auto lanes) {
        store(out[b.first + i] + c, load(b.sums + i * pitch_ + c, lanes) * factor, lanes);
      });
    }
    if (p_.lse == nullptr)
      return;
    float *lse = p_.lse + (batch_ * d_.heads + head_) * d_.q_len + b.first;
    for_vectors(b.count, [&](int64_t i, auto lanes) {
      store(lse + i, load(b.maximum + i, lanes) + log(load(b.total + i, lanes)), lanes);
    });
  }

  const Forward &p_;
  const aios_attention_desc &d_;
  const int pitch_;
  const int64_t batch_, head_;
  const int blocks_;
  float *keys_, *values_, *scores_;
  QueryBlock block_[kGroup];
};

template <class T> void run(const Forward &p, Team &team) {
  const int64_t blocks = ceil_div(p.d.q_len, kQueries), sequences = p.d.batch * p.d.heads;
  // Copies are shared as long as every worker has several tasks; this changes no result.
  const int64_t group = max64(1, min64(kGroup, sequences * blocks / (4 * team.threads())));
  const int64_t groups = ceil_div(blocks, group);
  team.parallel_for(sequences * groups, [&](int64_t task, int worker) {
    // The last blocks of queries see the most keys: they go first, so that no long task is left over for the end.
    const int64_t block = (groups - 1 - task / sequences) * group, head = task % sequences;
    QueryGroup<T>(p, team.scratch(worker), head / p.d.heads, head % p.d.heads, block * kQueries,
                  static_cast<int>(min64(group, blocks - block)))
        .run();
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

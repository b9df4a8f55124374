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
  int64_t first = 0, end = 0; // the first query, and one past the last key that any of them sees
  int count, lanes;
  float *queries, *sums;
  alignas(64) float reference[kQueries], total[kQueries];
};

/// By how much a score may exceed the reference of its query.
constexpr float kHeadroom = 24.0f;

/// Rows that are fetched into L2 while tiles are computed, so many lines of each for a tile: the next blocks of keys
/// and values, which several blocks of queries have time for, the next queries, and where the output goes.
struct Upcoming {
  Ahead keys, values, queries, out;

  __attribute__((AIOS_ALWAYS_INLINE)) void fetch() {
    keys.fetch(8);
    values.fetch(8);
    queries.fetch(24);
    out.fetch(24);
  }
};

/// Takes scores while they are in registers: stores exp(score - reference), sums it and notes the greatest score.
struct Exponentials {
  float *to;
  const Visible &visible;
  int key, query;
  const float *reference;
  float *sum, *greatest;
  Upcoming &upcoming;

  template <int, int> __attribute__((AIOS_ALWAYS_INLINE)) void expect(int, int) const { upcoming.fetch(); }
  template <int Rows, int Vectors>
  __attribute__((AIOS_ALWAYS_INLINE)) void take(VF (&score)[Rows][Vectors], int row, int col) const {
    hide(score, visible, key + row, query + col);
    float *p = to + row * kQueries + col;
#pragma GCC unroll 16
    for (int j = 0; j < Vectors; j++) {
      const int lane = query + col + j * W;
      const VF base = load(reference + lane, Full{});
      VF top = load(greatest + lane, Full{}), total = load(sum + lane, Full{});
#pragma GCC unroll 32
      for (int i = 0; i < Rows; i++) {
        top = max(score[i][j], top);
        const VF e = weight(score[i][j] - base);
        total = total + e;
        store(p + i * kQueries + j * W, e, Full{});
      }
      store(greatest + lane, top, Full{});
      store(sum + lane, total, Full{});
    }
  }
};

/// Most blocks of queries of one head that share the copies of keys and values, and most floats of theirs: they stay in
/// the L2 cache while the keys pass by.
constexpr int kGroup = 8;
constexpr int64_t kGroupFloats = int64_t{128} << 10;

template <class T> class QueryGroup {
public:
  QueryGroup(const Forward &p, void *scratch, int64_t batch, int64_t head, int64_t first, int blocks)
      : p_(p), d_(p.d), pitch_(round_up_lanes(p.d.head_dim)), batch_(batch), head_(head), blocks_(blocks),
        q_(head_rows(static_cast<const T *>(p.q), d_.q_stride, batch, head)),
        k_(head_rows(static_cast<const T *>(p.k), d_.k_stride, batch, head / (d_.heads / d_.kv_heads))),
        v_(head_rows(static_cast<const T *>(p.v), d_.v_stride, batch, head / (d_.heads / d_.kv_heads))),
        out_(head_rows(static_cast<T *>(p.out), d_.out_stride, batch, head)) {
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
      for (int lane = 0; lane < b.lanes; lane++) {
        b.reference[lane] = -INFINITY;
        b.total[lane] = 0.0f;
      }
    }
    static_assert((kGroupFloats + (2 * kMaxHeadDim + kKeys) * kQueries) * sizeof(float) < kScratchBytes);
  }

  void run() {
    const int64_t end = block_[blocks_ - 1].end; // the last queries see the most keys
    for (int64_t key = 0; key < end; key += kKeys) {
      const int staged = static_cast<int>(min64(kKeys, end - key));
      stage_rows(keys_, pitch_, k_[key], k_.stride, staged, d_.head_dim);
      stage_rows(values_, pitch_, v_[key], v_.stride, staged, d_.head_dim);
      upcoming_.keys = ahead(k_, key + kKeys, end);
      upcoming_.values = ahead(v_, key + kKeys, end);
      for (int i = 0; i < blocks_; i++)
        if (key < block_[i].end)
          attend(block_[i], key);
    }
    for (int i = 0; i < blocks_; i++)
      if (block_[i].end == 0)
        finish(block_[i]);
  }

private:
  /// Up to a block of rows from `first`, before `end`.
  template <class Row> Ahead ahead(const Rows<Row> &rows, int64_t first, int64_t end) const {
    constexpr int64_t kBytes = sizeof(T);
    return Ahead(rows[first], min64(kKeys, end - first), d_.head_dim * kBytes, rows.stride * kBytes);
  }

  /// Takes a block of keys into account.
  void attend(QueryBlock &b, int64_t key) {
    const bool last = key + kKeys >= b.end;
    if (key == 0) {
      start(b);
      upcoming_.queries = ahead(q_, b.first + kQueries, min64(d_.q_len, block_[blocks_ - 1].first + kQueries));
    }
    if (last)
      upcoming_.out = ahead(out_, b.first, b.first + b.count);
    const int keys = static_cast<int>(min64(kKeys, b.end - key));
    const Visible visible(b.first + d_.kv_len - d_.q_len, key, keys, d_.causal != 0);
    take_exponentials(b, visible);
    add_over_keys(b.sums, visible, scores_, values_, pitch_, b.count);
    if (last)
      finish(b);
  }

  /// Every query sees the first key: its score is the first reference.
  void start(QueryBlock &b) {
    stage_columns(b.queries, q_[b.first], q_.stride, b.count, b.lanes, d_.head_dim, d_.scale);
    memset(b.sums, 0, static_cast<size_t>(b.count) * static_cast<size_t>(pitch_) * sizeof(float));
    for (int lane = 0; lane < b.lanes; lane += W) {
      VF score = zero();
      for (int64_t d = 0; d < d_.head_dim; d++)
        score = fma(set1(keys_[d]), load(b.queries + d * kQueries + lane, Full{}), score);
      store(b.reference + lane, max(score, set1(-FLT_MAX)), Full{});
    }
  }

  /// Turns a block of scores into exp(score - reference). The reference of a query is a score that was seen, not always
  /// the greatest: it is raised, and the block computed again, only when sums might overflow.
  void take_exponentials(QueryBlock &b, const Visible &visible) {
    alignas(64) float sum[kQueries], greatest[kQueries];
    const auto compute = [&] {
      for (int lane = 0; lane < b.lanes; lane += W) {
        store(sum + lane, zero(), Full{});
        store(greatest + lane, load(b.reference + lane, Full{}), Full{});
      }
      score_block(visible, keys_, pitch_, b.queries, b.lanes, d_.head_dim, [&](int key, int query) {
        return Exponentials{
            scores_ + key * kQueries + query, visible, key, query, b.reference, sum, greatest, upcoming_};
      });
    };
    compute();
    bool high = false;
    for (int lane = 0; lane < b.lanes; lane += W)
      high |= any_not_le(load(greatest + lane, Full{}), load(b.reference + lane, Full{}) + set1(kHeadroom));
    if (high) {
      raise(b, greatest);
      compute();
    }
    for (int lane = 0; lane < b.lanes; lane += W)
      store(b.total + lane, load(b.total + lane, Full{}) + load(sum + lane, Full{}), Full{});
  }

  /// Makes `reference` that of the queries and moves there what has been summed.
  void raise(QueryBlock &b, const float *reference) {
    alignas(64) float factor[kQueries];
    for (int lane = 0; lane < b.lanes; lane += W) {
      const VF now = load(reference + lane, Full{}), decay = weight(load(b.reference + lane, Full{}) - now);
      store(factor + lane, decay, Full{});
      store(b.total + lane, load(b.total + lane, Full{}) * decay, Full{});
      store(b.reference + lane, now, Full{});
    }
    for (int i = 0; i < b.count; i++)
      for (int c = 0; c < pitch_; c += W)
        store(b.sums + i * pitch_ + c, load(b.sums + i * pitch_ + c, Full{}) * set1(factor[i]), Full{});
  }

  void finish(const QueryBlock &b) {
    for (int i = 0; i < b.count; i++) {
      // No keys at all: nothing is attended to.
      const VF factor = set1(b.total[i] == 0.0f ? 0.0f : 1.0f / b.total[i]);
      for_vectors(d_.head_dim, [&](int64_t c, auto lanes) {
        store(out_[b.first + i] + c, load(b.sums + i * pitch_ + c, lanes) * factor, lanes);
      });
    }
    if (p_.lse == nullptr)
      return;
    float *lse = p_.lse + (batch_ * d_.heads + head_) * d_.q_len + b.first;
    for_vectors(b.count, [&](int64_t i, auto lanes) {
      store(lse + i, load(b.reference + i, lanes) + log(load(b.total + i, lanes)), lanes);
    });
  }

  const Forward &p_;
  const aios_attention_desc &d_;
  const int pitch_;
  const int64_t batch_, head_;
  const int blocks_;
  const Rows<const T> q_, k_, v_;
  const Rows<T> out_;
  float *keys_, *values_, *scores_;
  Upcoming upcoming_;
  QueryBlock block_[kGroup];
};

template <class T> void run(const Forward &p, Team &team) {
  const int64_t blocks = ceil_div(p.d.q_len, kQueries), sequences = p.d.batch * p.d.heads;
  const int64_t fit = kGroupFloats / (kQueries * (p.d.head_dim + round_up_lanes(p.d.head_dim)));
  // Copies are shared as long as every worker has several tasks; this changes no result.
  const int64_t group = max64(1, min64(min64(kGroup, fit), sequences * blocks / (4 * team.threads())));
  const int64_t groups = ceil_div(blocks, group);
  team.parallel_for(sequences * groups, [&](int64_t task, int worker) {
    // Head by head, so that keys and values stay in the L2 cache. The last blocks of queries see the most keys: they go
    // first, so that no long task is left over for the end.
    const int64_t head = task / groups, block = (groups - 1 - task % groups) * group;
    QueryGroup<T>(p, team.scratch(worker), head / p.d.heads, head % p.d.heads, block * kQueries,
                  static_cast<int>(min64(group, blocks - block)))
        .run();
  });
}

} // namespace

int64_t aios_attention_workspace_size(const aios_attention_desc *desc) {
  return -static_cast<int64_t>(check_attention("attention", desc)); // the workers' scratch memory is enough
}

aios_status aios_attention(aios_stream stream, void *out, float *lse, const void *q, const void *k, const void *v,
                           void *, int64_t, const aios_attention_desc *desc) {
  if (const aios_status status = check_attention("attention", desc); status != AIOS_STATUS_OK)
    return status;
  if (desc->batch == 0 || desc->heads == 0 || desc->q_len == 0)
    return AIOS_STATUS_OK;
  if (const aios_status status = check_attention_operands(*desc, out, q, k, v))
    return status;
  const Forward problem{*desc, out, lse, q, k, v};
  return enqueue(stream, [problem](Team &team) {
    if (problem.d.dtype == AIOS_DTYPE_F32)
      run<float>(problem, team);
    else
      run<bf16>(problem, team);
  });
}

} // namespace aios::AIOS_ISA

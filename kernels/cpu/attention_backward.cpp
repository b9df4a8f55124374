// aios_attention_backward: the gradient of attention, with the probabilities computed again from lse, block by block
// (Dao et al., arXiv:2205.14135). One task is one key-value head of one sequence: its gradients of keys and values are
// summed over the blocks of queries in their order, so that nothing depends on scheduling.
//
// With P = exp(scale q k^T - lse), delta = rowsum(dout * out):
//   dv = P^T dout,   dS = P * (dout v^T - delta),   dq = scale dS k,   dk = scale dS^T q
#include "attention_tile.h"

namespace aios::AIOS_ISA {
namespace {

struct Backward {
  aios_attention_desc d;
  void *dq, *dk, *dv;
  const void *dout, *out;
  const float *lse;
  const void *q, *k, *v;
  float *workspace;
};

/// Floats of the blocks in scratch memory, and what is left there for what a task keeps of all keys.
constexpr int64_t kBlockFloats = 5 * kQueries * kMaxHeadDim + 2 * kKeys * kQueries + 2 * kQueries;
constexpr int64_t kSpareFloats = static_cast<int64_t>(kScratchBytes / sizeof(float)) - kBlockFloats - 256;

/// Floats that a task keeps of all keys: k and v as dense rows, and the sums of dk and dv.
int64_t key_floats(const aios_attention_desc &d) {
  return 4 * d.kv_len * round_up_lanes(d.head_dim);
}

/// They stay in scratch memory, where they are warm, unless the sequence is long.
int64_t workspace_floats(const aios_attention_desc &d) {
  return key_floats(d) <= kSpareFloats ? 0 : d.batch * d.kv_heads * key_floats(d);
}

/// Takes scores: stores the probabilities exp(score - lse).
struct Probabilities {
  float *to;
  const Visible &visible;
  int key, query;
  const float *lse;

  template <int, int> __attribute__((AIOS_ALWAYS_INLINE)) void expect(int, int) const {}
  template <int Rows, int Vectors>
  __attribute__((AIOS_ALWAYS_INLINE)) void take(VF (&score)[Rows][Vectors], int row, int col) const {
    hide(score, visible, key + row, query + col);
    float *p = to + row * kQueries + col;
#pragma GCC unroll 16
    for (int j = 0; j < Vectors; j++) {
      const VF base = load(lse + query + col + j * W, Full{});
#pragma GCC unroll 32
      for (int i = 0; i < Rows; i++)
        store(p + i * kQueries + j * W, weight(score[i][j] - base), Full{});
    }
  }
};

/// Takes the gradients of probabilities: stores those of the scores, P * (dP - delta) * scale.
struct ScoreGradients {
  float *to;
  const float *probabilities, *delta;
  float scale;

  template <int, int> __attribute__((AIOS_ALWAYS_INLINE)) void expect(int, int) const {}
  template <int Rows, int Vectors>
  __attribute__((AIOS_ALWAYS_INLINE)) void take(const VF (&dp)[Rows][Vectors], int row, int col) const {
#pragma GCC unroll 16
    for (int j = 0; j < Vectors; j++) {
      const VF mean = load(delta + col + j * W, Full{});
#pragma GCC unroll 32
      for (int i = 0; i < Rows; i++) {
        const int at = (row + i) * kQueries + col + j * W;
        store(to + at, (dp[i][j] - mean) * (load(probabilities + at, Full{}) * set1(scale)), Full{});
      }
    }
  }
};

template <class T> class KeyValueHead {
public:
  KeyValueHead(const Backward &p, void *scratch, int64_t batch, int64_t kv_head)
      : p_(p), d_(p.d), dim_(static_cast<int>(p.d.head_dim)), pitch_(round_up_lanes(dim_)), batch_(batch),
        kv_head_(kv_head), k_(head_rows(static_cast<const T *>(p.k), d_.k_stride, batch, kv_head)),
        v_(head_rows(static_cast<const T *>(p.v), d_.v_stride, batch, kv_head)) {
    Arena arena(scratch);
    const int64_t rows = int64_t{kQueries} * pitch_, columns = int64_t{kQueries} * dim_;
    q_rows_ = arena.take(rows);
    q_columns_ = arena.take(columns);
    dout_rows_ = arena.take(rows);
    dout_columns_ = arena.take(columns);
    dq_sums_ = arena.take(rows);
    p_block_ = arena.take(kKeys * kQueries);
    ds_block_ = arena.take(kKeys * kQueries);
    lse_ = arena.take(kQueries);
    delta_ = arena.take(kQueries);
    keys_ = p.workspace == nullptr ? arena.take(key_floats(d_))
                                   : p.workspace + (batch * d_.kv_heads + kv_head) * key_floats(d_);
    values_ = keys_ + key_floats(d_) / 4;
    dk_sums_ = values_ + key_floats(d_) / 4;
    dv_sums_ = dk_sums_ + key_floats(d_) / 4;
  }

  void run() {
    stage_rows(keys_, pitch_, k_[0], k_.stride, d_.kv_len, dim_);
    stage_rows(values_, pitch_, v_[0], v_.stride, d_.kv_len, dim_);
    memset(dk_sums_, 0, static_cast<size_t>(key_floats(d_) / 2) * sizeof(float));
    const int64_t group = d_.heads / d_.kv_heads;
    for (int64_t head = kv_head_ * group; head < (kv_head_ + 1) * group; head++)
      for (int64_t first = 0; first < d_.q_len; first += kQueries)
        run_queries(head, first);
    write(head_rows(static_cast<T *>(p_.dk), d_.k_stride, batch_, kv_head_), dk_sums_, d_.kv_len);
    write(head_rows(static_cast<T *>(p_.dv), d_.v_stride, batch_, kv_head_), dv_sums_, d_.kv_len);
  }

private:
  void run_queries(int64_t head, int64_t first) {
    const int count = static_cast<int>(d_.q_len - first < kQueries ? d_.q_len - first : kQueries);
    const int lanes = round_up_lanes(count);
    stage_queries(head, first, count, lanes);
    const int64_t offset = d_.kv_len - d_.q_len;
    const int64_t end = d_.causal ? first + count + offset : d_.kv_len;
    for (int64_t key = 0; key < end; key += kKeys) {
      const int keys = static_cast<int>(end - key < kKeys ? end - key : kKeys);
      const Visible visible(first + offset, key, keys, d_.causal != 0);
      score_block(visible, keys_ + key * pitch_, pitch_, q_columns_, lanes, dim_, [&](int row, int query) {
        return Probabilities{p_block_ + row * kQueries + query, visible, row, query, lse_};
      });
      score_block(visible, values_ + key * pitch_, pitch_, dout_columns_, lanes, dim_, [&](int row, int query) {
        const int at = row * kQueries + query;
        return ScoreGradients{ds_block_ + at, p_block_ + at, delta_ + query, d_.scale};
      });
      add_over_queries(dv_sums_ + key * pitch_, visible, p_block_, dout_rows_, pitch_, count);
      add_over_queries(dk_sums_ + key * pitch_, visible, ds_block_, q_rows_, pitch_, count);
      add_over_keys(dq_sums_, visible, ds_block_, keys_ + key * pitch_, pitch_, count);
    }
    Rows<T> dq = head_rows(static_cast<T *>(p_.dq), d_.q_stride, batch_, head);
    dq.data = dq[first];
    write(dq, dq_sums_, count);
  }

  void stage_queries(int64_t head, int64_t first, int count, int lanes) {
    const Rows<const T> q = head_rows(static_cast<const T *>(p_.q), d_.q_stride, batch_, head);
    const Rows<const T> out = head_rows(static_cast<const T *>(p_.out), d_.out_stride, batch_, head);
    const Rows<const T> dout = head_rows(static_cast<const T *>(p_.dout), d_.out_stride, batch_, head);
    stage_rows(q_rows_, pitch_, q[first], q.stride, count, dim_);
    stage_rows(dout_rows_, pitch_, dout[first], dout.stride, count, dim_);
    stage_columns(q_columns_, q[first], q.stride, count, lanes, dim_, d_.scale);
    stage_columns(dout_columns_, dout[first], dout.stride, count, lanes, dim_, 1.0f);
    memset(dq_sums_, 0, static_cast<size_t>(count) * static_cast<size_t>(pitch_) * sizeof(float));
    const float *lse = p_.lse + (batch_ * d_.heads + head) * d_.q_len + first;
    for (int i = 0; i < lanes; i++) {
      // A lane without a query has probability exp(0 - infinity) = 0 everywhere.
      lse_[i] = i < count ? lse[i] : INFINITY;
      delta_[i] = 0.0f;
    }
    for (int i = 0; i < count; i++) {
      VF sum = zero();
      for_vectors(dim_, [&](int64_t c, auto n) {
        sum = fma(load(dout_rows_ + i * pitch_ + c, n), load(out[first + i] + c, n), sum);
      });
      delta_[i] = reduce_add(sum);
    }
  }

  void write(const Rows<T> &to, const float *sums, int64_t rows) const {
    for (int64_t i = 0; i < rows; i++)
      for_vectors(dim_, [&](int64_t c, auto n) { store(to[i] + c, load(sums + i * pitch_ + c, n), n); });
  }

  const Backward &p_;
  const aios_attention_desc &d_;
  const int dim_, pitch_;
  const int64_t batch_, kv_head_;
  const Rows<const T> k_, v_;
  float *q_rows_, *q_columns_, *dout_rows_, *dout_columns_, *dq_sums_, *keys_, *values_, *p_block_, *ds_block_;
  float *lse_, *delta_, *dk_sums_, *dv_sums_;
};

template <class T> void run(const Backward &p, Team &team) {
  team.parallel_for(p.d.batch * p.d.kv_heads, [&](int64_t task, int worker) {
    KeyValueHead<T>(p, team.scratch(worker), task / p.d.kv_heads, task % p.d.kv_heads).run();
  });
}

} // namespace

int64_t aios_attention_backward_workspace_size(const aios_attention_desc *desc) {
  const aios_status status = check_attention("attention_backward", desc);
  return status == AIOS_STATUS_OK ? workspace_floats(*desc) * static_cast<int64_t>(sizeof(float))
                                  : -static_cast<int64_t>(status);
}

aios_status aios_attention_backward(aios_stream stream, void *dq, void *dk, void *dv, const void *dout, const void *out,
                                    const float *lse, const void *q, const void *k, const void *v, void *workspace,
                                    int64_t workspace_bytes, const aios_attention_desc *desc) {
  // Qualified, because the type of desc makes the exported function of the same name visible as well.
  const int64_t bytes = AIOS_ISA::aios_attention_backward_workspace_size(desc);
  if (bytes < 0)
    return static_cast<aios_status>(-bytes);
  const aios_attention_desc &d = *desc;
  if (d.batch == 0 || d.heads == 0 || (d.q_len == 0 && d.kv_len == 0))
    return AIOS_STATUS_OK;
  if (const aios_status status = check_attention_backward_operands(d, dq, dk, dv, dout, out, lse, q, k, v))
    return status;
  if (const aios_status status = check_workspace("attention_backward", workspace, workspace_bytes, bytes))
    return status;
  const Backward problem{
      d, dq, dk, dv, dout, out, lse, q, k, v, bytes == 0 ? nullptr : static_cast<float *>(workspace)};
  return enqueue(stream, [problem](Team &team) {
    if (problem.d.dtype == AIOS_DTYPE_F32)
      run<float>(problem, team);
    else
      run<bf16>(problem, team);
  });
}

} // namespace aios::AIOS_ISA

// aios_gemm: C = epilogue(alpha op(A) op(B) + beta C), batched; binary32 sums of binary32 or bfloat16 matrices.
//
// Blocking (after Goto & van de Geijn, ACM TOMS 34(3), 2008, with the roles of the caches of today): a chunk of rows of
// A and a block of k are packed once into the workspace, by all workers, in panels of kTileRows rows; it lives in L3
// and L2. Then tasks, each some rows times one strip of kTileCols columns, pack a stretch of their strip of B into the
// worker's scratch memory, where it stays in L1 while all panels of A pass by. Sums that are not complete wait in the
// scratch memory too, or in the workspace when k has several blocks.
// Every element is one chain of fused multiply-adds in the order of k: no blocking, edge or number of workers changes a
// bit. Products of at most kSmallRows rows take the path of gemm_small.h.
#include "gemm_pack.h"
#include "gemm_small.h"
#include "gemm_tile.h"
#include "launch.h"

namespace aios::AIOS_ISA {
namespace {

/// Longest stretch of B that is packed at a time: 256 x 48 x 4 bytes is the L1 cache of today's cores.
constexpr int64_t kStretch = 256;

/// Longest block of k, and most elements of A in one phase: 8 MiB stay in L3 on anything but the smallest machines.
constexpr int64_t kBlockK = 4096;
constexpr int64_t kPhaseElements = int64_t{2} << 20;

/// Most rows of a task: their unfinished sums share the scratch memory with the strip of B.
constexpr int64_t kTaskRows = 2048;
static_assert((kStretch * kTileCols + kTaskRows * kTileCols) * sizeof(float) <= kScratchBytes);

/// Columns of a task of the path for few rows.
constexpr int64_t kSmallCols = 128;

constexpr int64_t divide_up(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}
constexpr int64_t round_up(int64_t a, int64_t b) {
  return divide_up(a, b) * b;
}
constexpr int64_t smaller(int64_t a, int64_t b) {
  return a < b ? a : b;
}
constexpr int64_t larger(int64_t a, int64_t b) {
  return a > b ? a : b;
}

/// How a product is cut; a function of its shape only.
struct Plan {
  bool small;      ///< The path of gemm_small.h.
  int64_t batches; ///< Products of one phase.
  int64_t rows;    ///< Rows of A of one phase, a multiple of the panel.
  int64_t depth;   ///< Length of a block of k.
  int64_t strips;  ///< Strips of C.
  bool partial;    ///< Unfinished sums of a phase wait in the workspace.

  int64_t packed() const { return batches * rows * depth; }
  int64_t bytes() const {
    const int64_t sums = partial ? rows * strips * kTileCols : 0;
    return (round_up(packed(), 16) + sums) * static_cast<int64_t>(sizeof(float));
  }
};

Plan plan_of(const aios_gemm_desc &d) {
  Plan plan{};
  if (d.m == 0 || d.n == 0 || d.batch == 0)
    return plan;
  plan.small = d.m <= kSmallRows;
  if (plan.small) {
    plan.rows = small_rows(d.m);
    plan.depth = d.k;
    plan.strips = divide_up(d.n, kSmallCols);
  } else {
    // All blocks of k, and all chunks of rows, are about equally long.
    plan.depth = d.k == 0 ? 0 : divide_up(d.k, divide_up(d.k, kBlockK));
    const int64_t most = larger(kPhaseElements / larger(plan.depth, 1), 32 * kTileRows);
    plan.rows = round_up(divide_up(d.m, divide_up(d.m, most)), kTileRows);
    plan.strips = divide_up(d.n, kTileCols);
    plan.partial = plan.depth < d.k;
  }
  const bool whole = plan.rows >= d.m && !plan.partial;
  plan.batches = whole ? larger(1, smaller(d.batch, kPhaseElements / larger(plan.rows * plan.depth, 1))) : 1;
  return plan;
}

struct Problem {
  aios_gemm_desc d;
  Plan plan;
  void *c, *aux;
  const void *a, *b, *bias, *residual;
  float *packed;
};

template <class In, class Out> class Gemm {
public:
  Gemm(const Problem &p, Team &team) : p_(p), d_(p.d), plan_(p.plan), team_(team) {}

  void run() const {
    for (int64_t batch = 0; batch < d_.batch; batch += plan_.batches) {
      const int64_t batches = smaller(plan_.batches, d_.batch - batch);
      if (plan_.small) {
        run_small(batch, batches);
        continue;
      }
      for (int64_t row = 0; row < d_.m; row += plan_.rows) {
        int64_t k = 0;
        do { // once for k = 0 too: the epilogue still has to run
          const Phase phase{batch, batches, row, smaller(plan_.rows, d_.m - row), k, smaller(plan_.depth, d_.k - k)};
          pack_a(phase);
          multiply_phase(phase);
          k += phase.depth;
        } while (k < d_.k);
      }
    }
  }

private:
  /// What is packed at a time: rows row .. row + rows and k first .. first + depth of some products.
  struct Phase {
    int64_t batch, batches, row, rows, first, depth;
    int64_t panels() const { return divide_up(rows, kTileRows); }

    /// All stretches of the block are equally long but the last one.
    int64_t stretch() const { return depth == 0 ? 0 : divide_up(depth, divide_up(depth, kStretch)); }
    int64_t depth_at(int64_t k) const { return smaller(stretch(), depth - k); }
  };

  const In *a(int64_t batch) const { return static_cast<const In *>(p_.a) + batch * d_.stride_a; }
  const In *b(int64_t batch) const { return static_cast<const In *>(p_.b) + batch * d_.stride_b; }

  Finish<Out> finish(int64_t batch) const {
    const int64_t offset = batch * d_.stride_c;
    Finish<Out> f{};
    f.c = static_cast<Out *>(p_.c) + offset;
    f.aux = p_.aux == nullptr ? nullptr : static_cast<Out *>(p_.aux) + offset;
    f.bias = static_cast<const Out *>(p_.bias);
    if (d_.epilogue & AIOS_EPILOGUE_RESIDUAL)
      f.residual = static_cast<const Out *>(p_.residual) + batch * d_.stride_r;
    f.ldc = d_.ldc;
    f.ldr = d_.ldr;
    f.alpha = d_.alpha;
    f.beta = d_.beta;
    f.flags = d_.epilogue;
    return f;
  }

  void pack_a(const Phase &phase) const {
    // Some panels together: with A stored [k][m] they are neighbours in memory.
    constexpr int64_t kGroup = 4;
    const int64_t panels = phase.panels(), groups = divide_up(panels, kGroup);
    team_.parallel_for(phase.batches * groups, [&](int64_t task, int) {
      const int64_t batch = task / groups, end = smaller(panels, (task % groups + 1) * kGroup);
      for (int64_t k = 0; k < phase.depth; k += phase.stretch())
        for (int64_t panel = task % groups * kGroup; panel < end; panel++)
          pack_panel<kTileRows>(a_panel(phase, batch, k, panel), a(phase.batch + batch), d_.lda, d_.trans_a == 0,
                                phase.row + panel * kTileRows, d_.m, phase.first + k, phase.depth_at(k));
    });
  }

  /// The panels of a stretch of k follow each other, so that the tiles of a strip read one stream.
  float *a_panel(const Phase &phase, int64_t product, int64_t k, int64_t panel) const {
    const int64_t rows = phase.panels() * kTileRows;
    return p_.packed + (product * phase.depth + k) * rows + panel * kTileRows * phase.depth_at(k);
  }

  void multiply_phase(const Phase &phase) const {
    // Few strips are cut into rows until every worker has some tasks; B is then packed once per cut.
    const int64_t panels = phase.panels(), strips = phase.batches * plan_.strips;
    int64_t share = smaller(panels, kTaskRows / kTileRows);
    while (strips * divide_up(panels, share) < 4 * team_.threads() && share > 8)
      share = divide_up(share, 2);
    const int64_t shares = divide_up(panels, share);
    team_.parallel_for(strips * shares, [&](int64_t task, int worker) {
      const int64_t strip = task % plan_.strips, rest = task / plan_.strips;
      const int64_t begin = rest % shares * share;
      multiply_strip(phase, rest / shares, strip, begin, smaller(begin + share, panels), worker);
    });
  }

  /// The panels begin .. end of one product of the phase times one strip of B.
  void multiply_strip(const Phase &phase, int64_t product, int64_t strip, int64_t begin, int64_t end,
                      int worker) const {
    float *b_panel = static_cast<float *>(team_.scratch(worker));
    float *partial = p_.packed + round_up(plan_.packed(), 16) + strip * plan_.rows * kTileCols;
    float *sums = plan_.partial ? partial : b_panel + kStretch * kTileCols - begin * kTileSize;
    const Finish<Out> f = finish(phase.batch + product);
    const int64_t n = strip * kTileCols, cols = smaller(kTileCols, d_.n - n);
    int64_t k = 0;
    do { // once for k = 0 too
      const int64_t depth = phase.depth_at(k);
      pack_panel<kTileCols>(b_panel, b(phase.batch + product), d_.ldb, d_.trans_b != 0, n, d_.n, phase.first + k,
                            depth);
      for (int64_t panel = begin; panel < end; panel++) {
        const TileStep step{
            a_panel(phase, product, k, panel), b_panel, depth, sums + panel * kTileSize, phase.first + k == 0,
            phase.first + k + depth == d_.k};
        const int64_t row = panel * kTileRows;
        run_tile(step, f, phase.row + row, n, smaller(kTileRows, phase.rows - row), cols);
      }
      k += depth;
    } while (k < phase.depth);
  }

  void run_small(int64_t first, int64_t batches) const {
    const int rows = static_cast<int>(plan_.rows);
    team_.parallel_for(batches, [&](int64_t batch, int) {
      float *to = p_.packed + batch * rows * d_.k;
      const In *from = a(first + batch);
      const int64_t row_step = d_.trans_a ? 1 : d_.lda, k_step = d_.trans_a ? d_.lda : 1;
      for (int64_t i = 0; i < rows; i++)
        for (int64_t k = 0; k < d_.k; k++)
          to[d_.trans_b ? i * d_.k + k : k * rows + i] = i < d_.m ? to_float(from[i * row_step + k * k_step]) : 0.0f;
    });
    team_.parallel_for(batches * plan_.strips, [&](int64_t task, int) {
      const int64_t batch = task / plan_.strips, n = task % plan_.strips * kSmallCols;
      const int64_t cols = smaller(kSmallCols, d_.n - n);
      const float *packed = p_.packed + batch * rows * d_.k;
      const auto block = rows == 1   ? small_block<1, In, Out>
                         : rows == 2 ? small_block<2, In, Out>
                         : rows == 4 ? small_block<4, In, Out>
                                     : small_block<8, In, Out>;
      block(packed, b(first + batch), d_.ldb, d_.trans_b != 0, d_.k, finish(first + batch), d_.m, n, cols);
    });
  }

  const Problem &p_;
  const aios_gemm_desc &d_;
  const Plan &plan_;
  Team &team_;
};

aios_status check(const aios_gemm_desc *d) {
  if (d == nullptr)
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "gemm: desc is null");
  if (d->m < 0 || d->n < 0 || d->k < 0 || d->batch < 0)
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "gemm: m, n, k, batch are %lld, %lld, %lld, %lld; none may be negative",
                static_cast<long long>(d->m), static_cast<long long>(d->n), static_cast<long long>(d->k),
                static_cast<long long>(d->batch));
  if ((d->dtype != AIOS_DTYPE_F32 && d->dtype != AIOS_DTYPE_BF16) ||
      (d->out_dtype != AIOS_DTYPE_F32 && d->out_dtype != d->dtype))
    return fail(AIOS_STATUS_UNIMPLEMENTED, "gemm: no kernel for dtype %d with out_dtype %d", d->dtype, d->out_dtype);
  const struct {
    const char *name;
    int64_t pitch, length;
  } pitches[] = {{"lda", d->lda, d->trans_a ? d->m : d->k},
                 {"ldb", d->ldb, d->trans_b ? d->k : d->n},
                 {"ldc", d->ldc, d->n},
                 {"ldr", d->ldr, d->epilogue & AIOS_EPILOGUE_RESIDUAL ? d->n : d->ldr}};
  for (const auto &p : pitches)
    if (p.pitch < p.length)
      return fail(AIOS_STATUS_INVALID_ARGUMENT, "gemm: %s is %lld; a row has %lld elements", p.name,
                  static_cast<long long>(p.pitch), static_cast<long long>(p.length));
  if ((d->epilogue & ~(AIOS_EPILOGUE_BIAS | AIOS_EPILOGUE_GELU_TANH | AIOS_EPILOGUE_RESIDUAL)) != 0)
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "gemm: epilogue has unknown flags (%d)", d->epilogue);
  return AIOS_STATUS_OK;
}

} // namespace

int64_t aios_gemm_workspace_size(const aios_gemm_desc *desc) {
  const aios_status status = check(desc);
  return status == AIOS_STATUS_OK ? plan_of(*desc).bytes() : -static_cast<int64_t>(status);
}

aios_status aios_gemm(aios_stream stream, void *c, void *aux, const void *a, const void *b, const void *bias,
                      const void *residual, void *workspace, int64_t workspace_bytes, const aios_gemm_desc *desc) {
  if (const aios_status status = check(desc); status != AIOS_STATUS_OK)
    return status;
  const aios_gemm_desc &d = *desc;
  if (d.m == 0 || d.n == 0 || d.batch == 0)
    return AIOS_STATUS_OK;
  const Plan plan = plan_of(d);
  if (c == nullptr || (d.k > 0 && (a == nullptr || b == nullptr)) ||
      ((d.epilogue & AIOS_EPILOGUE_BIAS) && bias == nullptr) ||
      ((d.epilogue & AIOS_EPILOGUE_RESIDUAL) && residual == nullptr))
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "gemm: c, a, b, or what the epilogue names, is null");
  if (plan.bytes() > 0 &&
      (workspace == nullptr || workspace_bytes < plan.bytes() || reinterpret_cast<uintptr_t>(workspace) % 64 != 0))
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "gemm: the workspace has %lld bytes; %lld, 64-byte aligned, are needed",
                static_cast<long long>(workspace_bytes), static_cast<long long>(plan.bytes()));
  const Problem problem{d, plan, c, aux, a, b, bias, residual, static_cast<float *>(workspace)};
  return enqueue(stream, [problem](Team &team) {
    if (problem.d.dtype == AIOS_DTYPE_F32)
      Gemm<float, float>(problem, team).run();
    else if (problem.d.out_dtype == AIOS_DTYPE_F32)
      Gemm<bf16, float>(problem, team).run();
    else
      Gemm<bf16, bf16>(problem, team).run();
  });
}

} // namespace aios::AIOS_ISA

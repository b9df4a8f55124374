// aios_gemm: C = epilogue(alpha op(A) op(B) + beta C), batched.
//
// Blocking (after Goto & van de Geijn, ACM TOMS 34(3), 2008, with the roles of the caches of today): a chunk of rows of
// A and a block of k are packed once into the workspace, by all workers, in panels of kTileRows rows; it lives in L3
// and L2. Then each worker takes ranges of tiles, strip of B after strip, packs a stretch of its strip into its scratch
// memory, where it stays in L1 while the panels of A pass by, and fetches the next stretch from memory meanwhile. Sums
// that are not complete wait in the scratch memory too, or in the workspace when k has several blocks.
// Every element is one chain of sums in the order of k: no blocking, edge or number of workers changes a bit.
#include "common/checks.h"
#include "common/config.h"
#include "gemm_pack.h"
#include "gemm_plan.h"

namespace aios::AIOS_ISA {
namespace {

struct Problem {
  aios_gemm_desc d;
  Plan plan;
  void *c, *aux;
  const void *a, *b, *bias, *residual;
  float *workspace;
};

template <class F, class Out> class Gemm {
  using In = typename F::In;
  using Word = typename F::Word;

public:
  Gemm(const Problem &p, Team &team) : p_(p), d_(p.d), plan_(p.plan), team_(team) {}

  void run() const {
    for (int64_t batch = 0; batch < d_.batch; batch += plan_.batches) {
      const int64_t batches = smaller(plan_.batches, d_.batch - batch);
      for (int64_t row = 0; row < d_.m; row += plan_.rows) {
        int64_t k = 0;
        do { // once for k = 0 too: the epilogue still has to run
          const Phase phase{
              batch, batches, row, smaller(plan_.rows, d_.m - row), k, smaller(plan_.depth, plan_.words - k)};
          pack_left(phase);
          multiply_phase(phase);
          k += phase.depth;
        } while (k < plan_.words);
      }
    }
  }

  void run_few() const {
    for (int64_t batch = 0; batch < d_.batch; batch += plan_.batches)
      few_batches(batch, smaller(plan_.batches, d_.batch - batch));
  }

  /// Each task reads the rows of A where they lie; B too, unless its columns are the rows of memory.
  void run_direct() const {
    const int64_t panels = divide_up(d_.m, kTileRows);
    const bool reads_b = reads_right(d_);
    const int64_t columns = reads_b ? 1 : plan_.strips;
    const int64_t wanted = divide_up((reads_b ? 4 : 1) * team_.threads(), d_.batch * columns);
    const int64_t share = divide_up(panels, smaller(wanted, panels)), cuts = divide_up(panels, share);
    team_.parallel_for(d_.batch * columns * cuts, [&](int64_t task, int worker) {
      const int64_t batch = task / (columns * cuts), begin = task % cuts * share, end = smaller(begin + share, panels);
      const int64_t strip = task / cuts % columns;
      for (int64_t s = strip; s < (reads_b ? plan_.strips : strip + 1); s++)
        with_vectors(s, [&](auto vectors) { direct_strip<vectors>(batch, s, begin, end, reads_b, worker); });
    });
  }

  void pack_right_operand(Word *to) const {
    const int64_t products = d_.stride_b == 0 ? 1 : d_.batch,
                  stretches = divide_up(plan_.words, larger(plan_.stretch, 1));
    team_.parallel_for(products * plan_.strips * stretches, [&](int64_t task, int) {
      const int64_t k = task % stretches * plan_.stretch, strip = task / stretches % plan_.strips;
      const int64_t product = task / stretches / plan_.strips;
      with_vectors(strip, [&](auto vectors) {
        pack_strip<vectors>(to + product * plan_.packed_words() + plan_.packed_b(strip, k), product, strip, k,
                            smaller(plan_.stretch, plan_.words - k));
      });
    });
  }

private:
  /// What is packed at a time: rows row .. row + rows and words first .. first + depth of some products.
  struct Phase {
    int64_t batch, batches, row, rows, first, depth;
    int64_t panels() const { return divide_up(rows, kTileRows); }
  };

  /// Panels of A that a task packs.
  static constexpr int64_t kPanels = 8;

  /// Calls f with the number of vectors of a strip as a constant.
  template <class Body> void with_vectors(int64_t strip, const Body &f) const {
    const int64_t vectors = plan_.first_vector(strip + 1) - plan_.first_vector(strip);
    if (vectors == 1)
      f(std::integral_constant<int, 1>{});
    else if (vectors == 2)
      f(std::integral_constant<int, 2>{});
    else if constexpr (kTileVectors > 2)
      f(std::integral_constant<int, kTileVectors>{});
  }

  int64_t stretch_at(const Phase &phase, int64_t k) const { return smaller(plan_.stretch, phase.depth - k); }

  /// Elements of `words` words that begin at word k.
  int64_t elements(int64_t k, int64_t words) const { return smaller(words * F::kGroup, d_.k - k * F::kGroup); }

  const In *a(int64_t batch) const { return static_cast<const In *>(p_.a) + batch * d_.stride_a; }
  const In *b(int64_t batch) const { return static_cast<const In *>(p_.b) + batch * d_.stride_b; }
  Word *packed_left() const { return reinterpret_cast<Word *>(p_.workspace); }

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

  void pack_left(const Phase &phase) const {
    // Some panels together: with A stored [k][m] they are neighbours in memory.
    const int64_t panels = phase.panels();
    const int64_t group = smaller(kPanels, divide_up(panels, team_.threads())), groups = divide_up(panels, group);
    team_.parallel_for(phase.batches * groups, [&](int64_t task, int) {
      const int64_t batch = task / groups, panel = task % groups * group, row = panel * kTileRows;
      const int64_t rows = smaller(group * kTileRows, phase.rows - row);
      for (int64_t k = 0; k < phase.depth; k += plan_.stretch)
        pack_panels<F, true, kTileRows>(left_panel(phase, batch, k, panel), kTileRows * stretch_at(phase, k),
                                        a(phase.batch + batch), d_.lda, d_.trans_a == 0, phase.row + row, rows,
                                        (phase.first + k) * F::kGroup, elements(phase.first + k, stretch_at(phase, k)));
    });
  }

  /// The panels of a stretch of k follow each other, so that the tiles of a strip read one stream.
  Word *left_panel(const Phase &phase, int64_t product, int64_t k, int64_t panel) const {
    const int64_t rows = phase.panels() * kTileRows;
    return packed_left() + (product * phase.depth + k) * rows + panel * kTileRows * stretch_at(phase, k);
  }

  void multiply_phase(const Phase &phase) const {
    const int64_t panels = phase.panels();
    const Ranges ranges(phase.batches * plan_.strips * panels, panels, team_.threads());
    team_.parallel_for(ranges.count(), [&](int64_t task, int worker) {
      const auto [begin, end] = ranges.at(task);
      for (int64_t tile = begin; tile < end;) {
        const int64_t strip = tile / panels, panel = tile % panels;
        const int64_t count = smaller(smaller(end - tile, panels - panel), kSumRows / kTileRows);
        with_vectors(strip % plan_.strips, [&](auto vectors) {
          multiply_strip<vectors>(phase, strip / plan_.strips, strip % plan_.strips, panel, panel + count, worker);
        });
        tile += count;
      }
    });
  }

  template <int Vectors> void pack_strip(Word *to, int64_t batch, int64_t strip, int64_t k, int64_t words) const {
    pack_right<F, Vectors>(to, b(batch), d_.ldb, d_.trans_b != 0, plan_.first_vector(strip) * W, d_.n, k * F::kGroup,
                           elements(k, words));
  }

  /// The part of B that a stretch of a strip is made of; nothing beyond the last strip.
  Ahead ahead_of(int64_t batch, int64_t strip, int64_t k, int64_t words) const {
    if (strip >= plan_.strips || words <= 0)
      return {};
    const int64_t lane = plan_.first_vector(strip) * W;
    const int64_t lanes = smaller(plan_.first_vector(strip + 1) * W, d_.n) - lane;
    if (d_.packed_b) {
      const Word *from = static_cast<const Word *>(p_.b) + (d_.stride_b == 0 ? 0 : batch * plan_.packed_words());
      return Ahead(from + plan_.packed_b(strip, k), 1, (words + plan_.offset) * round_up(lanes, W) * 4, 0);
    }
    constexpr int64_t kSize = sizeof(In);
    const int64_t depth = elements(k, words);
    return d_.trans_b ? Ahead(b(batch) + lane * d_.ldb + k * F::kGroup, lanes, depth * kSize, d_.ldb * kSize)
                      : Ahead(b(batch) + k * F::kGroup * d_.ldb + lane, depth, lanes * kSize, d_.ldb * kSize);
  }

  /// The panels begin .. end of one product of the phase times one strip of B.
  template <int Vectors>
  void multiply_strip(const Phase &phase, int64_t product, int64_t strip, int64_t begin, int64_t end,
                      int worker) const {
    constexpr int64_t kCols = Vectors * W;
    const int64_t batch = phase.batch + product, n = plan_.first_vector(strip) * W, cols = smaller(kCols, d_.n - n);
    Word *scratch = static_cast<Word *>(team_.scratch(worker));
    Word *sums = plan_.partial ? packed_left() + round_up(plan_.left(), 16) + plan_.rows * n + begin * kTileRows * kCols
                               : scratch + (kStretch + 1) * kTileCols;
    const Finish<Out> f = finish(batch);
    int64_t k = 0;
    do { // once for k = 0 too
      const int64_t depth = stretch_at(phase, k), next = k + depth;
      const Word *right = scratch;
      if (d_.packed_b && depth > 0)
        right = static_cast<const Word *>(p_.b) + (d_.stride_b == 0 ? 0 : batch * plan_.packed_words()) +
                plan_.packed_b(strip, phase.first + k);
      else
        pack_strip<Vectors>(scratch, batch, strip, phase.first + k, depth);
      Ahead ahead = next < phase.depth
                        ? ahead_of(batch, strip, phase.first + next, stretch_at(phase, next))
                        : ahead_of(batch, strip + (end == phase.panels()), phase.first, stretch_at(phase, 0));
      const int64_t share = divide_up(ahead.lines(), (end - begin) * larger(1, depth / kBurst));
      for (int64_t panel = begin; panel < end; panel++) {
        const TileStep<F> step{left_panel(phase, product, k, panel),
                               right,
                               1,
                               kTileRows,
                               kCols,
                               depth,
                               sums + (panel - begin) * kTileRows * kCols,
                               phase.first + k == 0,
                               phase.first + next == plan_.words,
                               &ahead,
                               share};
        const int64_t row = panel * kTileRows;
        run_tile<F, Vectors, true>(step, f, phase.row + row, n, smaller(kTileRows, phase.rows - row), cols);
      }
      k = next;
    } while (k < phase.depth);
  }

  template <int Vectors>
  void direct_strip(int64_t batch, int64_t strip, int64_t begin, int64_t end, bool reads_b, int worker) const {
    const int64_t n = plan_.first_vector(strip) * W, cols = smaller(Vectors * W, d_.n - n);
    Word *right = static_cast<Word *>(team_.scratch(worker)), *left = right + kDirectDepth * kTileCols;
    TileStep<F> step{};
    step.b = b(batch) + n;
    step.pitch = d_.ldb;
    if (!reads_b) {
      pack_strip<Vectors>(right, batch, strip, 0, d_.k);
      step.b = right;
      step.pitch = Vectors * W;
    }
    step.depth = d_.k;
    step.first = step.last = true;
    const Finish<Out> f = finish(batch);
    for (int64_t panel = begin; panel < end; panel++) {
      const int64_t row = panel * kTileRows, rows = smaller(kTileRows, d_.m - row);
      step.a = a(batch) + row * (d_.trans_a ? 1 : d_.lda);
      step.row_step = d_.trans_a ? 1 : d_.lda;
      step.k_step = d_.trans_a ? d_.lda : 1;
      if (rows < kTileRows) {
        pack_panels<F, true, kTileRows>(left, 0, a(batch), d_.lda, d_.trans_a == 0, row, rows, 0, d_.k);
        step.a = left;
        step.row_step = 1;
        step.k_step = kTileRows;
      }
      run_tile<F, Vectors, false>(step, f, row, n, rows, cols);
    }
  }

  void few_batches(int64_t first, int64_t batches) const {
    const int rows = static_cast<int>(plan_.rows);
    const int64_t row_step = d_.trans_a ? 1 : d_.lda, k_step = d_.trans_a ? d_.lda : 1;
    const bool by_rows = d_.trans_b != 0;
    if (plan_.copies_left)
      team_.parallel_for(batches, [&](int64_t batch, int) {
        float *to = p_.workspace + batch * rows * d_.k;
        const In *from = a(first + batch);
        for (int64_t i = 0; i < rows; i++)
          for (int64_t k = 0; k < d_.k; k++)
            to[by_rows ? i * d_.k + k : k * rows + i] = i < d_.m ? to_float(from[i * row_step + k * k_step]) : 0.0f;
      });
    const bool long_runs = !by_rows && !few_fetches(rows);
    const int64_t unit = by_rows ? kFewRows : kFewUnit;
    const int64_t most = by_rows ? 64 : long_runs ? kFewCols * kFewRows : kFewCols;
    const int64_t tasks = (long_runs ? 1 : 4) * team_.threads();
    const int64_t share = smaller(round_up(divide_up(d_.n, tasks), unit), most);
    const int64_t shares = divide_up(d_.n, share);
    team_.parallel_for(batches * shares, [&](int64_t task, int worker) {
      const int64_t batch = task / shares, n = task % shares * share, cols = smaller(share, d_.n - n);
      Left left{p_.workspace + batch * rows * d_.k, by_rows ? d_.k : 1, by_rows ? 1 : rows};
      if constexpr (std::is_same_v<In, float>)
        if (!plan_.copies_left)
          left = Left{a(first + batch), row_step, k_step};
      const auto block = rows == 1   ? few_block<1, In, Out>
                         : rows == 2 ? few_block<2, In, Out>
                         : rows == 4 ? few_block<4, In, Out>
                                     : few_block<8, In, Out>;
      block(left, b(first + batch), d_.ldb, by_rows, d_.k, finish(first + batch), d_.m, n, cols,
            static_cast<float *>(team_.scratch(worker)));
    });
  }

  const Problem &p_;
  const aios_gemm_desc &d_;
  const Plan &plan_;
  Team &team_;
};

/// Calls f with the family and the result type of a product.
template <class Body> void with_types(const aios_gemm_desc &d, Path path, const Body &f) {
  const bool floats = d.out_dtype == AIOS_DTYPE_F32;
  if (d.dtype == AIOS_DTYPE_F32)
    f(Floats<float>{}, float{});
  else if (d.dtype == AIOS_DTYPE_I8)
    floats ? f(I8Family{}, float{}) : f(I8Family{}, int32_t{});
  else if (path == Path::Few)
    floats ? f(Floats<bf16>{}, float{}) : f(Floats<bf16>{}, bf16{});
  else
    floats ? f(Bf16Family{}, float{}) : f(Bf16Family{}, bf16{});
}

void print_choice(const aios_gemm_desc &d, const Plan &plan) {
  const char *const types[] = {"f32", "f16", "bf16", "i32", "i8"};
  const char *const paths[] = {"few rows", "direct", "blocked"};
  print_config("gemm %s to %s %lldx%lldx%lld x%lld %c%c%s -> " AIOS_TEXT(AIOS_ISA) " %s, tile %dx%d, words of %d",
               types[d.dtype], types[d.out_dtype], static_cast<long long>(d.m), static_cast<long long>(d.n),
               static_cast<long long>(d.k), static_cast<long long>(d.batch), d.trans_a ? 't' : 'n',
               d.trans_b ? 't' : 'n', d.packed_b ? " packed" : "", paths[static_cast<int>(plan.path)],
               plan.path == Path::Few ? static_cast<int>(plan.rows) : kTileRows,
               (plan.path == Path::Few ? few_vectors(static_cast<int>(plan.rows)) : kTileVectors) * W,
               plan.path == Path::Few ? 1 : static_cast<int>(group_of(d.dtype)));
}

} // namespace

int64_t aios_gemm_workspace_size(const aios_gemm_desc *desc) {
  const aios_status status = check_gemm(desc);
  return status == AIOS_STATUS_OK ? plan_of(*desc).bytes() : -static_cast<int64_t>(status);
}

int64_t aios_gemm_packed_size(const aios_gemm_desc *desc) {
  if (const aios_status status = check_gemm(desc); status != AIOS_STATUS_OK)
    return -static_cast<int64_t>(status);
  const Plan plan = packed_plan_of(*desc);
  return (desc->stride_b == 0 ? 1 : desc->batch) * plan.packed_words() * static_cast<int64_t>(sizeof(float));
}

aios_status aios_gemm_pack(aios_stream stream, void *packed, const void *b, const aios_gemm_desc *desc) {
  if (const aios_status status = check_gemm(desc); status != AIOS_STATUS_OK)
    return status;
  Problem problem{};
  problem.d = *desc;
  problem.plan = packed_plan_of(*desc);
  problem.b = b;
  if (problem.plan.packed_words() == 0 || desc->batch == 0)
    return AIOS_STATUS_OK;
  if (packed == nullptr || b == nullptr)
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "gemm_pack: packed or b is null");
  return enqueue(stream, [problem, packed](Team &team) {
    with_types(problem.d, problem.plan.path, [&](auto family, auto out) {
      using F = decltype(family);
      Gemm<F, decltype(out)>(problem, team).pack_right_operand(static_cast<typename F::Word *>(packed));
    });
  });
}

aios_status aios_gemm(aios_stream stream, void *c, void *aux, const void *a, const void *b, const void *bias,
                      const void *residual, void *workspace, int64_t workspace_bytes, const aios_gemm_desc *desc) {
  if (const aios_status status = check_gemm(desc); status != AIOS_STATUS_OK)
    return status;
  const aios_gemm_desc &d = *desc;
  if (d.m == 0 || d.n == 0 || d.batch == 0)
    return AIOS_STATUS_OK;
  const Plan plan = plan_of(d);
  if (const aios_status status = check_gemm_operands(d, c, a, b, bias, residual))
    return status;
  if (const aios_status status = check_workspace("gemm", workspace, workspace_bytes, plan.bytes()))
    return status;
  if (prints_config())
    print_choice(d, plan);
  const Problem problem{d, plan, c, aux, a, b, bias, residual, static_cast<float *>(workspace)};
  return enqueue(stream, [problem](Team &team) {
    with_types(problem.d, problem.plan.path, [&](auto family, auto out) {
      using F = decltype(family);
      const Gemm<F, decltype(out)> gemm(problem, team);
      if constexpr (F::kGroup == 1)
        if (problem.plan.path == Path::Few)
          return gemm.run_few();
      if constexpr (std::is_same_v<F, Floats<float>>)
        if (problem.plan.path == Path::Direct)
          return gemm.run_direct();
      gemm.run();
    });
  });
}

} // namespace aios::AIOS_ISA

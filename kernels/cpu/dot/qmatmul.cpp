// aios_qmatmul: c = a W^T + bias with quantised weights.
//
// The activations are prepared in the workspace by all workers: quantised to bytes for integer codes (qactivations.h),
// or as binary32 for weights that are multiplied as floats. Then every task takes some outputs. For many rows it
// unpacks its strip of outputs stretch by stretch and runs all rows past it (qtile.h, qtile_float.h).
#include "common/config.h"
#include "qgemv_rows.h"
#include "qtile.h"
#include "qtile_float.h"

namespace aios::AIOS_ISA {
namespace {

struct Problem {
  aios_qmatrix w;
  void *c;
  const void *a, *bias;
  void *workspace;
  int64_t m;
  bool floats; // of c, a and bias; else bf16
};

/// The product of many rows with integer codes.
template <class Format> struct IntegerKernel {
  using Left = Activations<Format>;
  using Right = Strip<Format>;
  static constexpr int64_t kRows = kQRows, kWidth = kQWidth, kStretch = kQStretch;
};

/// The same in binary32.
struct FloatKernel {
  using Left = FloatActivations;
  using Right = FloatStrip;
  static constexpr int64_t kRows = kTileRows, kWidth = kTileCols, kStretch = kQFloatStretch;
};

/// Calls f(Kernel{}) with the kernel of a format.
template <class F> void with_kernel(aios_dtype format, const F &f) {
  if (format == AIOS_DTYPE_I8)
    f(IntegerKernel<I8Rows>{});
  else if (!with_block_format(format, [&](auto block) { f(IntegerKernel<Tiled<decltype(block)>>{}); }))
    f(FloatKernel{});
}

/// Most rows of a task: their sums share the scratch memory with the strip.
template <class Kernel> constexpr int64_t max_task_tiles() {
  const int64_t room = static_cast<int64_t>(kScratchBytes - sizeof(typename Kernel::Right));
  return room / (Kernel::kRows * Kernel::kWidth * 4);
}

template <class T> void store_row(T *c, const float *sums, const T *bias, int64_t n) {
  for_vectors(n, [&](int64_t i, auto lanes) {
    VF x = load(sums + i, lanes);
    if (bias != nullptr)
      x += load(bias + i, lanes);
    store(c + i, x, lanes);
  });
}

/// sums = the rows of tiles [begin, end) times a strip of `count` outputs from `row` on, which is unpacked here.
/// Compiled once for both types of the activations.
template <class Kernel>
[[gnu::noinline]] void multiply_strip(float *sums, typename Kernel::Right &strip, const typename Kernel::Left &left,
                                      const aios_qmatrix &w, int64_t row, int64_t count, int64_t begin, int64_t end) {
  for (int64_t first = 0; first < left.cols; first += Kernel::kStretch) {
    const int64_t depth = min64(Kernel::kStretch, left.cols - first);
    strip.fill(w, row, count, first, depth);
    for (int64_t tile = begin; tile < end; tile++)
      multiply_tile(sums + (tile - begin) * Kernel::kRows * Kernel::kWidth, strip, left, tile, first, depth,
                    first == 0);
  }
}

template <class Kernel, class T> void multiply(const Problem &p, Team &team) {
  const aios_qmatrix &w = p.w;
  const typename Kernel::Left left(p.workspace, p.m, w.cols);
  const int64_t tiles = left.rows / Kernel::kRows, strips = ceil_div(w.rows, Kernel::kWidth);
  team.parallel_for(tiles, [&](int64_t tile, int) { left.fill(static_cast<const T *>(p.a), p.m, w.cols, tile); });

  // Few strips are cut into rows until every worker has some tasks; the weights are then unpacked once per cut.
  int64_t share = min64(tiles, max_task_tiles<Kernel>());
  while (strips * ceil_div(tiles, share) < 4 * team.threads() && share > 4)
    share = ceil_div(share, 2);
  const int64_t shares = ceil_div(tiles, share);
  team.parallel_for(strips * shares, [&](int64_t task, int worker) {
    auto &strip = *static_cast<typename Kernel::Right *>(team.scratch(worker));
    float *sums = reinterpret_cast<float *>(&strip + 1);
    const int64_t row = task % strips * Kernel::kWidth, count = min64(Kernel::kWidth, w.rows - row);
    const int64_t begin = task / strips * share, end = min64(begin + share, tiles);
    multiply_strip<Kernel>(sums, strip, left, w, row, count, begin, end);
    const T *bias = p.bias == nullptr ? nullptr : static_cast<const T *>(p.bias) + row;
    for (int64_t i = begin * Kernel::kRows; i < min64(end * Kernel::kRows, p.m); i++)
      store_row(static_cast<T *>(p.c) + i * w.rows + row, sums + (i - begin * Kernel::kRows) * Kernel::kWidth, bias,
                count);
  });
}

/// Calls f with a (null) pointer to the activations that the product of few rows by a format wants.
template <class F> void with_gemv(aios_dtype format, const F &f) {
  if (format == AIOS_DTYPE_I8)
    f(static_cast<I8Activations *>(nullptr));
  else if (!with_block_format(format, [&](auto block) { f(static_cast<GemvActivations<decltype(block)> *>(nullptr)); }))
    format == AIOS_DTYPE_I4 ? f(static_cast<FloatRows<false> *>(nullptr)) : f(static_cast<FloatRows<true> *>(nullptr));
}

template <class Format, class T>
void fill_rows(const GemvActivations<Format> &x, const Problem &p, const T *a, Team &team) {
  const int64_t blocks = x.quads * W * Format::kSub / 32;
  parallel_ranges(team, p.m * blocks, 32, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++)
      x.fill(a + i / blocks * p.w.cols, p.w.cols, i / blocks, i % blocks);
  });
}
template <class Left, class T> void fill_rows(const Left &x, const Problem &p, const T *a, Team &) {
  for (int64_t m = 0; m < p.m; m++)
    x.fill(a + m * p.w.cols, p.w.cols, m);
}

/// out[o][m] = row r + o of the weights times row m of the activations.
template <int Outputs, int Rows, class Format>
AIOS_INLINE void multiply_weights(float (&out)[Outputs][Rows], const aios_qmatrix &w, int64_t r,
                                  const GemvActivations<Format> &x) {
  const int64_t blocks = ceil_div(w.cols, Format::kBlock);
  for (int o = 0; o < Outputs; o++)
    multiply_row<Format>(out[o], static_cast<const uint8_t *>(w.data) + (r + o) * blocks * Format::kBytes, blocks, x);
}
template <int Outputs, int Rows>
AIOS_INLINE void multiply_weights(float (&out)[Outputs][Rows], const aios_qmatrix &w, int64_t r,
                                  const I8Activations &x) {
  for (int o = 0; o < Outputs; o++)
    multiply_i8_row(out[o], static_cast<const uint8_t *>(w.data) + (r + o) * w.cols,
                    static_cast<const float *>(w.scales)[r + o], w.cols, x);
}
template <int Outputs, int Rows>
AIOS_INLINE void multiply_weights(float (&out)[Outputs][Rows], const aios_qmatrix &w, int64_t r,
                                  const FloatRows<true> &x) {
  const auto *row = static_cast<const uint8_t *>(w.data) + r * w.cols;
  const float *scales = static_cast<const float *>(w.scales) + r;
  if (w.format == AIOS_DTYPE_F8E4M3)
    multiply_f8_rows<F8E4M3>(out, row, scales, w.cols, x);
  else
    multiply_f8_rows<F8E5M2>(out, row, scales, w.cols, x);
}
template <int Outputs, int Rows>
AIOS_INLINE void multiply_weights(float (&out)[Outputs][Rows], const aios_qmatrix &w, int64_t r,
                                  const FloatRows<false> &x) {
  multiply_i4_rows(out, w, r, x);
}

template <class T> void store_output(const Problem &p, int64_t m, int64_t r, float value) {
  const float bias = p.bias == nullptr ? 0.0f : to_float(static_cast<const T *>(p.bias)[r]);
  store_one(static_cast<T *>(p.c) + m * p.w.rows + r, value + bias);
}

template <int Outputs, int Rows, class Left>
AIOS_INLINE void store_outputs(const Problem &p, const Left &x, int64_t r) {
  float out[Outputs][Rows];
  multiply_weights(out, p.w, r, x);
  for (int o = 0; o < Outputs; o++)
    for (int m = 0; m < Rows; m++)
      p.floats ? store_output<float>(p, m, r + o, out[o][m]) : store_output<bf16>(p, m, r + o, out[o][m]);
}

/// Compiled once for both types of the activations, since the products take the compiler's time.
template <int Rows, class Left>
[[gnu::noinline]] void multiply_outputs(const Problem &p, const Left &x, int64_t begin, int64_t end) {
  int64_t r = begin;
  if constexpr (requires { Left::template kNearOutputs<Rows>; }) {
    constexpr int kNear = Left::template kNearOutputs<Rows>, kFar = Left::template kFarOutputs<Rows>;
    if (x.bytes(Rows) > kNearBytes)
      for (; r + kFar <= end; r += kFar)
        store_outputs<kFar, Rows>(p, x, r);
    for (; r + kNear <= end; r += kNear)
      store_outputs<kNear, Rows>(p, x, r);
  }
  for (; r < end; r++)
    store_outputs<1, Rows>(p, x, r);
}

template <class Left, class T> void multiply_few(const Problem &p, Team &team) {
  const Left x(p.workspace, p.m, p.w.cols);
  fill_rows(x, p, static_cast<const T *>(p.a), team);
  // Long runs of rows, so that memory is read in long streams, yet enough of them to even out the workers.
  const int64_t tasks = min64(8 * team.threads(), ceil_div(p.w.rows * p.w.cols, kTaskElements));
  const int64_t share = ceil_div(p.w.rows, max64(1, tasks));
  team.parallel_for(ceil_div(p.w.rows, share), [&](int64_t task, int) {
    const int64_t end = min64((task + 1) * share, p.w.rows);
    const int64_t step = p.m <= kGemvRows ? share : max64(1, kGemvBytes / quantised_row_bytes(p.w.format, p.w.cols));
    for (int64_t begin = task * share; begin < end; begin += step)
      for (int64_t m = 0; m < p.m; m += kGemvRows) {
        const int64_t rows = min64(kGemvRows, p.m - m);
        const auto multiply_all = rows == 1   ? multiply_outputs<1, Left>
                                  : rows == 2 ? multiply_outputs<2, Left>
                                  : rows == 3 ? multiply_outputs<3, Left>
                                              : multiply_outputs<4, Left>;
        Problem part = p;
        part.c = static_cast<T *>(p.c) + m * p.w.rows;
        multiply_all(part, x.from(m), begin, min64(begin + step, end));
      }
  });
}

/// Without columns the sums are 0.
template <class T> void store_bias(const Problem &p) {
  for (int64_t i = 0; i < p.m; i++)
    for (int64_t j = 0; j < p.w.rows; j++)
      store_one(static_cast<T *>(p.c) + i * p.w.rows + j,
                p.bias == nullptr ? 0.0f : to_float(static_cast<const T *>(p.bias)[j]));
}

int64_t workspace_bytes_of(const aios_qmatrix &w, int64_t m) {
  int64_t bytes = 0;
  if (m == 0 || w.rows == 0 || w.cols == 0)
    return 0;
  if (m <= kFewQRows)
    with_gemv(w.format,
              [&](auto *left) { bytes = std::remove_pointer_t<decltype(left)>(nullptr, m, w.cols).bytes(m); });
  else
    with_kernel(w.format, [&](auto kernel) { bytes = typename decltype(kernel)::Left(nullptr, m, w.cols).bytes(); });
  return bytes;
}

void print_choice(const aios_qmatrix &w, int64_t m, aios_dtype dtype) {
  const char *const rows[] = {"i8", "", "f8e4m3", "f8e5m2", "i4"}; // from AIOS_DTYPE_I8 on
  const char *const blocks[] = {"q8_0", "q4_0", "q4_1", "q5_0", "q5_1",  "q2_k",
                                "q3_k", "q4_k", "q5_k", "q6_k", "iq4_nl"};
  int tile_rows = static_cast<int>(min64(m, kGemvRows)), tile_cols = 1;
  if (m > kFewQRows)
    with_kernel(w.format, [&](auto kernel) {
      tile_rows = static_cast<int>(decltype(kernel)::kRows);
      tile_cols = static_cast<int>(decltype(kernel)::kWidth);
    });
  print_config("qmatmul %s x %s %lldx%lldx%lld -> " AIOS_TEXT(AIOS_ISA) " %s, tile %dx%d",
               dtype == AIOS_DTYPE_F32 ? "f32" : "bf16",
               w.format < AIOS_DTYPE_Q8_0 ? rows[w.format - AIOS_DTYPE_I8] : blocks[w.format - AIOS_DTYPE_Q8_0],
               static_cast<long long>(m), static_cast<long long>(w.rows), static_cast<long long>(w.cols),
               m <= kFewQRows ? "few rows" : "blocked", tile_rows, tile_cols);
}

} // namespace

int64_t aios_qmatmul_workspace_size(const aios_qmatrix *w, int64_t m, aios_dtype dtype) {
  aios_status status = check_extents("aios_qmatmul", {{"m", m}});
  if (status == AIOS_STATUS_OK)
    status = check_qshape("aios_qmatmul", w);
  if (status == AIOS_STATUS_OK)
    status = with_type("aios_qmatmul", dtype, [](auto) { return AIOS_STATUS_OK; });
  return status == AIOS_STATUS_OK ? workspace_bytes_of(*w, m) : -static_cast<int64_t>(status);
}

aios_status aios_qmatmul(aios_stream stream, void *c, const void *a, const aios_qmatrix *w, const void *bias,
                         void *workspace, int64_t workspace_bytes, int64_t m, aios_dtype dtype) {
  if (const aios_status status = check_extents("aios_qmatmul", {{"m", m}}))
    return status;
  if (const aios_status status = check_qmatrix("aios_qmatmul", w))
    return status;
  if (m == 0 || w->rows == 0)
    return AIOS_STATUS_OK;
  if (c == nullptr || (w->cols > 0 && a == nullptr))
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "aios_qmatmul: c or a is null");
  if (const aios_status status = check_workspace("aios_qmatmul", workspace, workspace_bytes, workspace_bytes_of(*w, m)))
    return status;
  const Problem problem{*w, c, a, bias, workspace, m, dtype == AIOS_DTYPE_F32};
  return with_type("aios_qmatmul", dtype, [&](auto element) {
    using T = decltype(element);
    if (prints_config())
      print_choice(problem.w, m, dtype);
    return enqueue(stream, [problem](Team &team) {
      if (problem.w.cols == 0)
        store_bias<T>(problem);
      else if (problem.m <= kFewQRows)
        with_gemv(problem.w.format,
                  [&](auto *left) { multiply_few<std::remove_pointer_t<decltype(left)>, T>(problem, team); });
      else
        with_kernel(problem.w.format, [&](auto kernel) { multiply<decltype(kernel), T>(problem, team); });
    });
  });
}

} // namespace aios::AIOS_ISA

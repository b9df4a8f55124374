// aios_unary:          out = op(a)
// aios_unary_backward: da = dout * op'(a)
// aios_binary:         out = op(a, b)
// over buffers of any strides, of rank up to 8; an input stride of 0 broadcasts. `out` may be an input of the same
// strides.
//
// A launch is planned once: dimensions are put in the order of the output's strides, and neighbours that are adjacent
// in every buffer are merged, which leaves most launches with one or two. The last one is the columns; the rows are
// the dimension along which an input is dense when its columns are not (a transposed view), else the next one. Tiles
// of rows and columns are shared out. Inside a tile an arithmetic kernel works on dense rows only: what is strided or
// broadcast along the columns is first copied to a small dense tile, along the direction in which it is dense.
#include "functions.h"
#include "loops.h"

namespace aios::AIOS_ISA {

namespace {

using RowKernel = void (*)(void *out, const void *a, const void *b, int64_t n, Scalars s);

enum { kOut, kA, kB, kBuffers };

struct Dimension {
  int64_t extent;
  int64_t stride[kBuffers];
};

struct Plan {
  int32_t buffers; // in use: 2 or 3
  int32_t outer_rank;
  Dimension outer[AIOS_MAX_RANK];
  Dimension rows, cols;
  int64_t slices; // product of the outer extents
};

AIOS_INLINE int64_t magnitude(int64_t x) {
  return x < 0 ? -x : x;
}

Plan make_plan(const aios_elementwise_desc &desc, int32_t buffers) {
  Plan plan = {buffers, 0, {}, {1, {0, 0, 0}}, {1, {1, 1, 1}}, 1};
  Dimension dims[AIOS_MAX_RANK];
  int rank = 0;
  for (int d = 0; d < desc.rank; d++) {
    if (desc.shape[d] == 0)
      plan.slices = 0;
    if (desc.shape[d] == 1)
      continue;
    const Dimension dim = {desc.shape[d], {desc.out_stride[d], desc.a_stride[d], buffers > kB ? desc.b_stride[d] : 0}};
    int at = rank++;
    for (; at > 0 && magnitude(dims[at - 1].stride[kOut]) < magnitude(dim.stride[kOut]); at--)
      dims[at] = dims[at - 1];
    dims[at] = dim;
  }
  int merged = 0;
  for (int d = 0; d < rank; d++) {
    bool adjacent = merged > 0;
    for (int i = 0; adjacent && i < buffers; i++)
      adjacent = dims[merged - 1].stride[i] == dims[d].stride[i] * dims[d].extent;
    if (adjacent) {
      const int64_t extent = dims[merged - 1].extent * dims[d].extent;
      dims[merged - 1] = dims[d];
      dims[merged - 1].extent = extent;
    } else {
      dims[merged++] = dims[d];
    }
  }
  if (merged == 0)
    return plan;
  plan.cols = dims[--merged];
  int rows = merged - 1;
  for (int i = buffers - 1; i >= kA; i--)
    if (plan.cols.stride[i] != 0 && plan.cols.stride[i] != 1)
      for (int d = 0; d < merged; d++)
        if (dims[d].stride[i] == 1)
          rows = d;
  for (int d = 0; d < merged; d++)
    if (d == rows) {
      plan.rows = dims[d];
    } else {
      plan.outer[plan.outer_rank++] = dims[d];
      plan.slices *= dims[d].extent;
    }
  return plan;
}

/// dense[r][c] = strided[r * row_stride + c * col_stride], or the other way round, walking memory as it lies.
template <bool ToDense, class T>
void copy_tile(T *dense, int64_t ld, T *strided, int64_t row_stride, int64_t col_stride, int64_t rows, int64_t cols) {
  const auto one = [=](int64_t r, int64_t c) {
    T &s = strided[r * row_stride + c * col_stride], &d = dense[r * ld + c];
    if (ToDense)
      d = s;
    else
      s = d;
  };
  if (ToDense && col_stride == 0) {
    for (int64_t r = 0; r < rows; r++) {
      const T value = strided[r * row_stride];
      for (int64_t c = 0; c < cols; c++)
        dense[r * ld + c] = value;
    }
  } else if (magnitude(row_stride) < magnitude(col_stride) && rows > 1) {
    for (int64_t c = 0; c < cols; c++)
      for (int64_t r = 0; r < rows; r++)
        one(r, c);
  } else {
    for (int64_t r = 0; r < rows; r++)
      for (int64_t c = 0; c < cols; c++)
        one(r, c);
  }
}

/// The same to a dense tile, from rows of neighbours: whole squares of W x W are transposed in registers.
void copy_squares(float *dense, int64_t ld, float *strided, int64_t col_stride, int64_t rows, int64_t cols) {
  const int64_t whole_rows = rows / W * W, whole_cols = cols / W * W;
  for (int64_t c = 0; c < whole_cols; c += W)
    for (int64_t r = 0; r < whole_rows; r += W) {
      VU square[W];
#pragma GCC unroll 16
      for (int i = 0; i < W; i++)
        square[i] = (VU)load(strided + r + (c + i) * col_stride, Full{});
      transpose(square);
#pragma GCC unroll 16
      for (int i = 0; i < W; i++)
        store(dense + (r + i) * ld + c, (VF)square[i], Full{});
    }
  if (whole_cols < cols)
    copy_tile<true>(dense + whole_cols, ld, strided + whole_cols * col_stride, 1, col_stride, whole_rows,
                    cols - whole_cols);
  if (whole_rows < rows)
    copy_tile<true>(dense + whole_rows * ld, ld, strided + whole_rows, 1, col_stride, rows - whole_rows, cols);
}

template <class T>
void gather_tile(T *dense, int64_t ld, T *strided, int64_t row_stride, int64_t col_stride, int64_t rows, int64_t cols) {
  if constexpr (sizeof(T) == sizeof(float))
    if (row_stride == 1 && col_stride != 0)
      return copy_squares(dense, ld, strided, col_stride, rows, cols);
  copy_tile<true>(dense, ld, strided, row_stride, col_stride, rows, cols);
}

template <class T> struct Elementwise {
  T *buffer[kBuffers]; // inputs are only read
  RowKernel kernel;
  Scalars scalars;
  Plan plan;
  bool past_caches; // the output is large, dense along the columns and no input

  // A dense tile: kTile elements and a pad per row, so that its rows do not share cache sets.
  static constexpr int64_t kTileRows = 16, kTile = 2048, kPad = 16;

  void operator()(Team &team) const {
    // Dense columns are cut last; strided ones early, so that a tile is high enough to use whole cache lines of an
    // input that is dense along the rows.
    bool dense = true;
    for (int i = 0; i < plan.buffers; i++)
      dense = dense && plan.cols.stride[i] == 1;
    const int64_t least = dense ? 1 : min64(plan.rows.extent, 4 * kTileRows);
    const int64_t width = max64(1, min64(plan.cols.extent, kTaskElements / max64(1, least)));
    const int64_t height = max64(1, min64(plan.rows.extent, max64(least, kTaskElements / width)));
    const int64_t across = ceil_div(plan.cols.extent, width), down = ceil_div(plan.rows.extent, height);
    parallel_ranges(team, plan.slices * down * across, width * height, 1, [=, this](int64_t begin, int64_t end) {
      for (int64_t unit = begin; unit < end; unit++) {
        const int64_t c = unit % across * width, r = unit / across % down * height;
        tile(unit / (across * down), r, min64(height, plan.rows.extent - r), c, min64(width, plan.cols.extent - c));
      }
    });
  }

  void tile(int64_t slice, int64_t row, int64_t rows, int64_t col, int64_t cols) const {
    T *p[kBuffers] = {};
    bool dense = true;
    for (int i = 0; i < plan.buffers; i++) {
      int64_t offset = row * plan.rows.stride[i] + col * plan.cols.stride[i], rest = slice;
      for (int d = plan.outer_rank - 1; d >= 0; d--) {
        offset += rest % plan.outer[d].extent * plan.outer[d].stride[i];
        rest /= plan.outer[d].extent;
      }
      p[i] = buffer[i] + offset;
      dense = dense && plan.cols.stride[i] == 1;
    }
    if (dense) {
      for (int64_t r = 0; r < rows; r++)
        row_of(p[kOut] + r * plan.rows.stride[kOut], p[kA] + r * plan.rows.stride[kA], p[kB] + r * plan.rows.stride[kB],
               cols);
    } else {
      // Down first: neighbours of an input that is dense along the rows are read while their lines are near.
      const int64_t height = min64(rows, kTileRows), width = kTile / height;
      for (int64_t c = 0; c < cols; c += width)
        for (int64_t r = 0; r < rows; r += height)
          strided(p, r, min64(height, rows - r), c, min64(width, cols - c));
    }
    if (past_caches)
      stream_fence();
  }

  /// One row of dense operands.
  void row_of(T *out, const T *a, const T *b, int64_t cols) const {
    if (past_caches)
      stream_row(out, cols, [=, this](T *to, int64_t i, int64_t n) { kernel(to, a + i, b ? b + i : b, n, scalars); });
    else
      kernel(out, a, b, cols, scalars);
  }

  void strided(T *const *p, int64_t row, int64_t rows, int64_t col, int64_t cols) const {
    alignas(64) T dense[kBuffers][kTile + kPad * kTileRows];
    const int64_t ld = cols + kPad;
    T *at[kBuffers] = {};
    int64_t pitch[kBuffers] = {};
    for (int i = 0; i < plan.buffers; i++) {
      const int64_t row_stride = plan.rows.stride[i], col_stride = plan.cols.stride[i];
      at[i] = p[i] + row * row_stride + col * col_stride;
      pitch[i] = row_stride;
      if (col_stride == 1)
        continue;
      if (i != kOut)
        gather_tile(dense[i], ld, at[i], row_stride, col_stride, rows, cols);
      at[i] = dense[i];
      pitch[i] = ld;
    }
    for (int64_t r = 0; r < rows; r++)
      row_of(at[kOut] + r * pitch[kOut], at[kA] + r * pitch[kA], at[kB] + r * pitch[kB], cols);
    if (plan.cols.stride[kOut] != 1)
      copy_tile<false>(dense[kOut], ld, p[kOut] + row * plan.rows.stride[kOut] + col * plan.cols.stride[kOut],
                       plan.rows.stride[kOut], plan.cols.stride[kOut], rows, cols);
  }
};

template <class T, class Op>
[[gnu::flatten]] void unary_row(void *out, const void *a, const void *, int64_t n, Scalars s) {
  const T *x = static_cast<const T *>(a);
  T *y = static_cast<T *>(out);
  for_packs(n, [=](int64_t i, auto lanes) { store(y + i, Op::value(load(x + i, lanes), s), lanes); });
}

template <class T> [[gnu::flatten]] void copy_row(void *out, const void *a, const void *, int64_t n, Scalars) {
  constexpr size_t kLong = 16384; // memcpy has a start-up time
  const size_t bytes = sizeof(T) * static_cast<size_t>(n);
  if (out == a)
    return;
  if (bytes >= kLong) {
    memcpy(out, a, bytes);
    return;
  }
  const float *from = static_cast<const float *>(a);
  float *to = static_cast<float *>(out);
  // Whole vectors only: the elements may be too small to be read as words one at a time.
  const int64_t words = static_cast<int64_t>(bytes / sizeof(VF)) * W;
  for_packs(words, [=](int64_t i, auto lanes) { store(to + i, load(from + i, lanes), lanes); });
  if (const size_t rest = bytes % sizeof(VF); rest != 0)
    memcpy(to + words, from + words, rest);
}

template <class T, class Op>
[[gnu::flatten]] void backward_row(void *da, const void *a, const void *dout, int64_t n, Scalars s) {
  const T *x = static_cast<const T *>(a), *dy = static_cast<const T *>(dout);
  T *dx = static_cast<T *>(da);
  for_packs(n, [=](int64_t i, auto lanes) {
    store(dx + i, load(dy + i, lanes) * Op::derivative(load(x + i, lanes), s), lanes);
  });
}

template <class T, class Op>
[[gnu::flatten]] void binary_row(void *out, const void *a, const void *b, int64_t n, Scalars) {
  const T *x = static_cast<const T *>(a), *y = static_cast<const T *>(b);
  T *z = static_cast<T *>(out);
  for_packs(n, [=](int64_t i, auto lanes) { store(z + i, Op::value(load(x + i, lanes), load(y + i, lanes)), lanes); });
}

/// Indexed by aios_unary_op, aios_unary_op and aios_binary_op.
template <class T>
constexpr RowKernel kUnary[] = {
    copy_row<T>,           unary_row<T, Affine>,     unary_row<T, Abs>,  unary_row<T, Square>,   unary_row<T, Sqrt>,
    unary_row<T, Rsqrt>,   unary_row<T, Reciprocal>, unary_row<T, Exp>,  unary_row<T, Log>,      unary_row<T, Tanh>,
    unary_row<T, Sigmoid>, unary_row<T, Relu>,       unary_row<T, Gelu>, unary_row<T, GeluTanh>, unary_row<T, Silu>};
template <class T>
constexpr RowKernel kBackward[] = {backward_row<T, Copy>,       backward_row<T, Affine>,   backward_row<T, Abs>,
                                   backward_row<T, Square>,     backward_row<T, Sqrt>,     backward_row<T, Rsqrt>,
                                   backward_row<T, Reciprocal>, backward_row<T, Exp>,      backward_row<T, Log>,
                                   backward_row<T, Tanh>,       backward_row<T, Sigmoid>,  backward_row<T, Relu>,
                                   backward_row<T, Gelu>,       backward_row<T, GeluTanh>, backward_row<T, Silu>};
template <class T>
constexpr RowKernel kBinary[] = {binary_row<T, Add>,          binary_row<T, Sub>,     binary_row<T, Mul>,
                                 binary_row<T, Div>,          binary_row<T, Maximum>, binary_row<T, Minimum>,
                                 binary_row<T, GreaterEqual>, binary_row<T, Less>};

enum class Family { Unary, Backward, Binary };

template <class T> RowKernel row_kernel(Family family, int32_t op) {
  switch (family) {
  case Family::Unary:
    return kUnary<T>[op];
  case Family::Backward:
    return kBackward<T>[op];
  default:
    return kBinary<T>[op];
  }
}

aios_status launch(const char *call, Family family, aios_stream stream, void *out, const void *a, const void *b,
                   int32_t op, const aios_elementwise_desc *desc) {
  const int32_t last = family == Family::Binary ? int32_t{AIOS_BINARY_LESS} : int32_t{AIOS_UNARY_SILU};
  if (const aios_status status = check_elementwise(call, op, last, desc))
    return status;
  return with_type(call, desc->dtype, [&](auto type) {
    using T = decltype(type);
    const Plan plan = make_plan(*desc, family == Family::Unary ? 2 : 3);
    const int64_t bytes = plan.slices * plan.rows.extent * plan.cols.extent * static_cast<int64_t>(sizeof(T));
    const bool past_caches = bytes >= kStreamBytes && plan.cols.stride[kOut] == 1 && out != a && out != b;
    return enqueue(stream, Elementwise<T>{{static_cast<T *>(out), static_cast<T *>(const_cast<void *>(a)),
                                           static_cast<T *>(const_cast<void *>(b))},
                                          row_kernel<T>(family, op),
                                          {desc->alpha, desc->beta},
                                          plan,
                                          past_caches});
  });
}

} // namespace

aios_status aios_unary(aios_stream stream, void *out, const void *a, aios_unary_op op,
                       const aios_elementwise_desc *desc) {
  return launch("aios_unary", Family::Unary, stream, out, a, nullptr, op, desc);
}

aios_status aios_unary_backward(aios_stream stream, void *da, const void *dout, const void *a, aios_unary_op op,
                                const aios_elementwise_desc *desc) {
  return launch("aios_unary_backward", Family::Backward, stream, da, a, dout, op, desc);
}

aios_status aios_binary(aios_stream stream, void *out, const void *a, const void *b, aios_binary_op op,
                        const aios_elementwise_desc *desc) {
  return launch("aios_binary", Family::Binary, stream, out, a, b, op, desc);
}

} // namespace aios::AIOS_ISA

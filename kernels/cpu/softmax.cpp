// aios_softmax:          out[r][c] = exp(a[r][c] - max_r) / sum_r over each row of [rows][cols]; `out` may be `a`.
// aios_softmax_backward: da = out * (dout - sum over the row of out * dout); `da` may be `dout`.
#include "online.h"

namespace aios::AIOS_ISA {

namespace {

/// Rows up to this length keep their exponentials, of two rows at a time, in the second-level cache.
constexpr int64_t kKept = int64_t{1} << 16;

/// What is left to do for a row whose exponentials are known: out = e * scale.
template <class T> struct Scaling {
  T *out = nullptr;
  const float *e = nullptr;
  VF scale = zero();

  template <bool kStream, class Lanes> void at(int64_t i, Lanes lanes) const {
    const auto y = load(e + i, lanes) * scale;
    if constexpr (kStream)
      stream(out + i, y, lanes);
    else
      store(out + i, y, lanes);
  }

  void range(int64_t begin, int64_t end) const {
    for_packs(end - begin, [this, begin](int64_t i, auto lanes) { at<false>(begin + i, lanes); });
  }
};

/// Several rows of up to kKept elements: while the exponentials of a row are computed, the row before is scaled, and
/// the greatest element of the row after it is found. A long row begins with the maximum of its first elements instead;
/// its exponentials are computed again in the rare case that this was far too low. `kept` holds those of two rows.
template <bool kStream, class T>
[[gnu::flatten]] void forward_rows(T *out, const T *a, int64_t rows, int64_t cols, float *kept) {
  constexpr int64_t kStep = kPack * W;
  const bool whole = cols <= kShort;
  const int64_t first = min64(cols, kShort), pitch = ceil_div(cols, 16) * 16 + 80;
  Scaling<T> before;
  VF m = set1(reduce_max(row_maximum(a, first, set1(-FLT_MAX))));
  for (int64_t r = 0; r < rows; r++) {
    const T *row = a + r * cols, *next = r + 1 < rows ? row + cols : row;
    float *e = kept + r % 2 * pitch;
    const int64_t gap = kStream && before.out ? min64(cols, to_alignment(before.out)) : 0;
    const int64_t joint = before.out ? (cols - gap) / kStep * kStep : 0;
    Walk found = walk(row, whole ? next : row, cols, m, [&](int64_t i, const auto &x, auto lanes) {
      store(e + i, x, lanes);
      if constexpr (std::is_same_v<decltype(lanes), Whole>)
        if (i < joint)
          before.template at<kStream>(gap + i, lanes);
    });
    if (before.out) {
      before.range(0, gap);
      before.range(gap + joint, cols);
    }
    VF greatest = set1(reduce_max(found.greatest));
    if (!whole) {
      if (any_not_le(greatest, m + set1(16.0f)))
        found = walk(row, row, cols, greatest, [&](int64_t i, const auto &x, auto lanes) { store(e + i, x, lanes); });
      greatest = set1(reduce_max(row_maximum(next, first, set1(-FLT_MAX))));
    }
    before = {out + r * cols, e, set1(1.0f / reduce_add(found.sum))};
    m = greatest;
  }
  before.range(0, cols);
}

/// Two exponentials per element, but a row is read only twice and written once.
template <class T> [[gnu::flatten]] void long_row(T *out, const T *a, int64_t cols, bool past_caches) {
  const OnlineSum s = online_sum(a, cols);
  const VF m = set1(s.max), scale = set1(1.0f / s.sum);
  const Exponential exponential;
  put_row(out, cols, past_caches,
          [=](int64_t i, auto lanes) { return Exponential::of(exponential, load(a + i, lanes) - m) * scale; });
}

template <class T> struct Forward {
  T *out;
  const T *a;
  int64_t rows, cols;

  void operator()(Team &team) const {
    const bool past_caches = out != a && rows * cols * static_cast<int64_t>(sizeof(T)) >= kStreamBytes;
    parallel_ranges(team, rows, 4 * cols, 1, [=, this, &team](int64_t begin, int64_t end, int worker) {
      T *to = out + begin * cols;
      const T *from = a + begin * cols;
      float *kept = static_cast<float *>(team.scratch(worker));
      if (cols > kKept)
        for (int64_t r = 0; r < end - begin; r++)
          long_row(to + r * cols, from + r * cols, cols, past_caches);
      else if (past_caches)
        forward_rows<true>(to, from, end - begin, cols, kept);
      else
        forward_rows<false>(to, from, end - begin, cols, kept);
      if (past_caches)
        stream_fence();
    });
  }
};

template <class T> [[gnu::flatten]] void backward_row(T *da, const T *dout, const T *out, int64_t cols) {
  const VF dot = set1(static_cast<float>(
      sum_blocks(cols, [=](int64_t i, auto lanes) { return load(out + i, lanes) * load(dout + i, lanes); })));
  for_packs(cols,
            [=](int64_t i, auto lanes) { store(da + i, load(out + i, lanes) * (load(dout + i, lanes) - dot), lanes); });
}

} // namespace

aios_status aios_softmax(aios_stream stream, void *out, const void *a, int64_t rows, int64_t cols, aios_dtype dtype) {
  if (const aios_status status = check_extents("aios_softmax", {{"rows", rows}, {"cols", cols}}))
    return status;
  return with_type("aios_softmax", dtype, [&](auto type) {
    using T = decltype(type);
    return enqueue(stream, Forward<T>{static_cast<T *>(out), static_cast<const T *>(a), rows, cols});
  });
}

aios_status aios_softmax_backward(aios_stream stream, void *da, const void *dout, const void *out, int64_t rows,
                                  int64_t cols, aios_dtype dtype) {
  if (const aios_status status = check_extents("aios_softmax_backward", {{"rows", rows}, {"cols", cols}}))
    return status;
  return with_type("aios_softmax_backward", dtype, [&](auto type) {
    using T = decltype(type);
    return enqueue(stream, [=](Team &team) {
      parallel_ranges(team, rows, cols, 1, [=](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; r++)
          backward_row(static_cast<T *>(da) + r * cols, static_cast<const T *>(dout) + r * cols,
                       static_cast<const T *>(out) + r * cols, cols);
      });
    });
  });
}

} // namespace aios::AIOS_ISA

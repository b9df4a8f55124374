// Maximum and sum of exponentials of a row in one pass over memory (online softmax; Milakov & Gimelshein,
// arXiv:1805.02867). Each lane keeps its own pair (m, s), s = sum of exp(x - m); the maximum is raised once per block,
// which is then in the first-level cache, and s is rescaled when it is.
#pragma once

#include "loops.h"
#include "vmath.h"

namespace aios::AIOS_ISA {

/// sum of exp(x - max) over a part of a row. A part without elements, or of -infinity alone, has the sum 0.
struct OnlineSum {
  float max, sum;
};

/// The greatest of `start` and of x[0 .. n), lane by lane.
template <class T> AIOS_INLINE VF row_maximum(const T *x, int64_t n, VF start) {
  Pack top = spread<Pack>(start);
  VF rest = start;
  for_packs(n, [&](int64_t i, auto lanes) {
    const auto value = replace_rest(load(x + i, lanes), set1(-FLT_MAX), lanes);
    accumulate_by([](const auto &a, const auto &b) { return max(a, b); }, value, top, rest);
  });
  return max(rest, fold(top, [](VF a, VF b) { return max(a, b); }));
}

/// The sum of exp(x - m) over x[0 .. n), lane by lane; every exponential is passed to take(i, e, lanes) as well.
template <class T, class F> AIOS_INLINE VF row_exponentials(const T *x, int64_t n, VF m, const F &take) {
  const Exponential exponential;
  VF sum = zero();
  for_packs(n, [&](int64_t i, auto lanes) {
    const auto e = Exponential::of(exponential, load(x + i, lanes) - m);
    take(i, e, lanes);
    sum = sum + fold(replace_rest(e, zero(), lanes), [](VF a, VF b) { return a + b; });
  });
  return sum;
}

/// Elements whose exponentials are added up in one sum of each lane: narrow vectors would sum a long row in few long
/// chains. Rows of so many stay in the first-level cache.
constexpr int64_t kShort = 4096;

/// Elements between what is read and what is fetched from memory for later.
constexpr int64_t kAhead = 1024;

/// What one walk along a row finds, lane by lane.
struct Walk {
  VF sum, greatest;
};

/// row_exponentials of a row of any length, and the greatest element of `watched` on the way: of the next row, so that
/// nothing waits for its maximum and the memory is busy while the arithmetic units are; or of the row itself.
template <class T, class F> AIOS_INLINE Walk walk(const T *row, const T *watched, int64_t cols, VF m, const F &take) {
  Walk found = {zero(), set1(-FLT_MAX)};
  for (int64_t begin = 0; begin < cols; begin += kShort)
    found.sum =
        found.sum +
        row_exponentials(row + begin, min64(kShort, cols - begin), m, [&, begin](int64_t i, const auto &e, auto lanes) {
          const T *place = watched + begin + i;
          fetch(place + kAhead, lanes);
          take(begin + i, e, lanes);
          const auto value = replace_rest(load(place, lanes), set1(-FLT_MAX), lanes);
          found.greatest = max(fold(value, [](VF a, VF b) { return max(a, b); }), found.greatest);
        });
  return found;
}

/// The maximum m of a lane is one that was seen, not always the greatest: it is raised, and the block summed again,
/// only when a block holds something so much greater that sums could overflow. So most elements are read once.
template <class T> [[gnu::flatten]] OnlineSum online_sum(const T *x, int64_t n) {
  constexpr int64_t kBlock = 64 * W;
  VF m = row_maximum(x, min64(kBlock, n), set1(-FLT_MAX)), s = zero();
  for (int64_t begin = 0; begin < n; begin += kBlock) {
    const T *p = x + begin;
    const int64_t length = min64(kBlock, n - begin);
    Pack top = spread<Pack>(m);
    VF rest = m;
    VF sum = row_exponentials(p, length, m, [&](int64_t i, const auto &, auto lanes) {
      const auto value = replace_rest(load(p + i, lanes), set1(-FLT_MAX), lanes);
      accumulate_by([](const auto &a, const auto &b) { return max(a, b); }, value, top, rest);
    });
    const VF greatest = max(rest, fold(top, [](VF a, VF b) { return max(a, b); }));
    if (any_not_le(greatest, m + set1(16.0f))) {
      s = s * exp(m - greatest);
      m = greatest;
      sum = row_exponentials(p, length, m, [](int64_t, const auto &, auto) {});
    }
    s = s + sum;
  }
  const float top = reduce_max(m);
  return {top, reduce_add(s * exp(m - set1(top)))};
}

} // namespace aios::AIOS_ISA

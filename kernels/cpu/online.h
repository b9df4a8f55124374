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

template <class T> AIOS_INLINE OnlineSum online_sum(const T *x, int64_t n) {
  constexpr int64_t kBlock = 32 * W;
  VF m = set1(-FLT_MAX), s = zero();
  for (int64_t begin = 0; begin < n; begin += kBlock) {
    const T *p = x + begin;
    const int64_t length = min64(kBlock, n - begin);
    VF top[2] = {m, m};
    int64_t i = 0;
    for (; i + 2 * W <= length; i += 2 * W) {
      top[0] = max(load(p + i, Full{}), top[0]);
      top[1] = max(load(p + i + W, Full{}), top[1]);
    }
    for_vectors(length - i, [&](int64_t j, auto lanes) {
      top[0] = max(replace_rest(load(p + i + j, lanes), set1(-FLT_MAX), lanes), top[0]);
    });
    const VF raised = max(top[0], top[1]);
    s = s * exp(m - raised);
    m = raised;
    VF sum[2] = {zero(), zero()};
    for (i = 0; i + 2 * W <= length; i += 2 * W) {
      sum[0] = sum[0] + exp(load(p + i, Full{}) - m);
      sum[1] = sum[1] + exp(load(p + i + W, Full{}) - m);
    }
    for_vectors(length - i, [&](int64_t j, auto lanes) {
      sum[0] = sum[0] + replace_rest(exp(load(p + i + j, lanes) - m), zero(), lanes);
    });
    s = s + (sum[0] + sum[1]);
  }
  const float top = reduce_max(m);
  return {top, reduce_add(s * exp(m - set1(top)))};
}

} // namespace aios::AIOS_ISA

// The searches of quantize.cpp: which scale, and offset, give a group of weights the least square error once its codes
// are rounded. Sixteen candidates are tried at a time, one in each lane, and each is improved by the least squares
// solution for the codes it leads to. The first candidate is always plain rounding, so a search never loses against it.
#pragma once

#include "qformat.h"

namespace aios::AIOS_ISA {

constexpr int kCandidates = 16;

/// One number of each candidate.
struct Lanes {
  VF part[kCandidates / W];
  VF &operator[](int i) { return part[i]; }
  const VF &operator[](int i) const { return part[i]; }
};

AIOS_INLINE Lanes lanes_of(const float (&values)[kCandidates]) {
  Lanes lanes;
  for (int i = 0; i < kCandidates / W; i++)
    lanes[i] = load(values + i * W, Full{});
  return lanes;
}

/// To the nearest integer, ties to even, for |x| < 2^22.
AIOS_INLINE VF nearest(VF x) {
  const VF magic = set1(0x1.8p23f);
  return (x + magic) - magic;
}
AIOS_INLINE float nearest(float x) {
  return (x + 0x1.8p23f) - 0x1.8p23f;
}

/// Codes may be low .. high.
struct Range {
  float low, high;
};

AIOS_INLINE VF clamp(VF x, Range range) {
  return min(max(x, set1(range.low)), set1(range.high));
}
AIOS_INLINE float clamp(float x, Range range) {
  return x < range.low ? range.low : x > range.high ? range.high : x;
}

/// 1 / x, or 0 for numbers whose reciprocal is not finite: every code is then the one nearest to 0.
AIOS_INLINE VF inverse(VF x) {
  return select(lt(set1(0x1p-126f), abs(x)), set1(1.0f) / x, zero());
}
AIOS_INLINE float inverse(float x) {
  return fabsf(x) > 0x1p-126f ? 1.0f / x : 0.0f;
}

/// The code of x under w = scale q + offset, given 1 / scale.
AIOS_INLINE int code_of(float x, float inverse_scale, float offset, Range range) {
  return static_cast<int>(nearest(clamp((x - offset) * inverse_scale, range)));
}

/// The candidate of (scale, offset) with the least square error over n weights.
static int best_candidate(const float *x, int n, const Lanes &scale, const Lanes &offset, Range range) {
  alignas(64) float errors[kCandidates];
  for (int part = 0; part < kCandidates / W; part++) {
    const VF inverse_scale = inverse(scale[part]);
    VF sum = zero();
    for (int i = 0; i < n; i++) {
      const VF difference = set1(x[i]) - offset[part];
      const VF q = nearest(clamp(difference * inverse_scale, range));
      const VF error = fma(-scale[part], q, difference);
      sum = fma(error, error, sum);
    }
    store(errors + part * W, sum, Full{});
  }
  int best = 0;
  for (int i = 1; i < kCandidates; i++)
    if (errors[i] < errors[best])
      best = i;
  return best;
}

/// Rounds every candidate to binary16, the precision that a block keeps.
AIOS_INLINE void round_to_half(Lanes &lanes) {
  alignas(64) float values[kCandidates];
  for (int i = 0; i < kCandidates / W; i++)
    store(values + i * W, lanes[i], Full{});
  for (float &value : values) {
    uint8_t bytes[2];
    store_half(bytes, value);
    value = half_at(bytes);
  }
  lanes = lanes_of(values);
}

/// Scale and offset of a group: w = scale q + offset.
struct Fit {
  float scale, offset;
};

AIOS_INLINE Fit candidate(const Lanes &scale, const Lanes &offset, int index) {
  return {scale[index / W][index % W], offset[index / W][index % W]};
}

/// The element of greatest magnitude, with its sign.
AIOS_INLINE float extreme(const float *x, int n) {
  float most = 0.0f;
  for (int i = 0; i < n; i++)
    if (fabsf(x[i]) > fabsf(most))
      most = x[i];
  return most;
}

/// The scale of w = scale q. Plain rounding gives the element of greatest magnitude the code of greatest magnitude,
/// which is `low`. `halves`: the scale is to be a binary16.
static float fit_scale(const float *x, int n, Range range, bool halves) {
  const float most = extreme(x, n);
  if (most == 0.0f)
    return 0.0f;
  // The code of the extreme element, from a little beyond the range to well within it.
  alignas(64) float scales[kCandidates];
  for (int i = 0; i < kCandidates; i++)
    scales[i] = most / (range.low * (1.12f - 0.02f * static_cast<float>(i)));
  scales[0] = most / range.low;
  Lanes scale = lanes_of(scales), none = {};
  for (int part = 0; part < kCandidates / W; part++) {
    const VF inverse_scale = inverse(scale[part]);
    VF products = zero(), squares = zero();
    for (int i = 0; i < n; i++) {
      const VF q = nearest(clamp(set1(x[i]) * inverse_scale, range));
      products = fma(set1(x[i]), q, products);
      squares = fma(q, q, squares);
    }
    scale[part] = select(lt(zero(), squares), products / max(squares, set1(1.0f)), scale[part]);
  }
  scale[0][0] = most / range.low;
  if (halves)
    round_to_half(scale);
  return candidate(scale, none, best_candidate(x, n, scale, none, range)).scale;
}

/// Scale and offset of w = scale q + offset with codes 0 .. top. Plain rounding spreads them from the least to the
/// greatest element. `below_zero`: the offset must not be positive. `halves`: both are to be binary16.
static Fit fit_range(const float *x, int n, float top, bool below_zero, bool halves) {
  float low = x[0], high = x[0];
  for (int i = 1; i < n; i++) {
    low = x[i] < low ? x[i] : low;
    high = x[i] > high ? x[i] : high;
  }
  if (below_zero && low > 0.0f)
    low = 0.0f;
  if (high <= low)
    return {0.0f, low};
  // Ranges that leave out up to a sixth at either end.
  alignas(64) float scales[kCandidates], offsets[kCandidates];
  const float width = high - low;
  for (int i = 0; i < kCandidates; i++) {
    float from = low + width * 0.055f * static_cast<float>(i % 4);
    if (below_zero && from > 0.0f)
      from = 0.0f;
    const float to = high - width * 0.055f * static_cast<float>(i / 4);
    scales[i] = (to - from) / top;
    offsets[i] = from;
  }
  Lanes scale = lanes_of(scales), offset = lanes_of(offsets);
  const Range range = {0.0f, top};
  const VF count = set1(static_cast<float>(n));
  for (int part = 0; part < kCandidates / W; part++) {
    const VF inverse_scale = inverse(scale[part]);
    VF sum_q = zero(), sum_qq = zero(), sum_x = zero(), sum_xq = zero();
    for (int i = 0; i < n; i++) {
      const VF value = set1(x[i]);
      const VF q = nearest(clamp((value - offset[part]) * inverse_scale, range));
      sum_q += q;
      sum_qq = fma(q, q, sum_qq);
      sum_x += value;
      sum_xq = fma(value, q, sum_xq);
    }
    const VF determinant = fma(count, sum_qq, -(sum_q * sum_q));
    const VF slope = fma(count, sum_xq, -(sum_x * sum_q)) / max(determinant, set1(0.5f));
    const VF level = (sum_x - slope * sum_q) / count;
    const auto positive = lt(zero(), level);
    const VF through_zero = sum_xq / max(sum_qq, set1(0.5f));
    const VF free_slope = below_zero ? select(positive, through_zero, slope) : slope;
    const VF free_level = below_zero ? select(positive, zero(), level) : level;
    const auto solvable = lt(set1(0.5f), determinant);
    scale[part] = select(solvable, free_slope, scale[part]);
    offset[part] = select(solvable, free_level, offset[part]);
  }
  scale[0][0] = width / top;
  offset[0][0] = low;
  if (halves) {
    round_to_half(scale);
    round_to_half(offset);
  }
  return candidate(scale, offset, best_candidate(x, n, scale, offset, range));
}

} // namespace aios::AIOS_ISA

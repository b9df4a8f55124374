// Elementary functions of VF, to about 1 ulp over the whole range of float: infinities, NaN, overflow and gradual
// underflow come out as IEEE asks. Polynomials are minimax fits made for these ranges; the error that is left of each
// fit is below 0.11 ulp, the rest is rounding.
#pragma once

#include "simd_pack.h"

namespace aios::AIOS_ISA {

/// Polynomial c[0] + c[1] x + ... by Horner's rule.
template <class V, int N> AIOS_INLINE V polynomial(const V &x, const float (&c)[N]) {
  V y = fma(set1(c[N - 1]), x, set1(c[N - 2]));
#pragma GCC unroll 16
  for (int i = N - 3; i >= 0; i--)
    y = fma(y, x, set1(c[i]));
  return y;
}

/// ln 2 = kLn2 - kLn2Rest; the first has 9 bits, so that its product with a small integer is exact.
constexpr float kLn2 = 0.693359375f, kLn2Rest = 2.12194440e-4f;

/// The sum of x + lo, where lo may be absent.
struct None {};
template <class V> AIOS_INLINE V add(const V &x, const V &lo) {
  return x + lo;
}
template <class V> AIOS_INLINE V add(const V &x, None) {
  return x;
}

/// exp(hi + lo) for |lo| <= 0.06: the exponential of a sum that has more digits than a float.
template <class V, class Lo> AIOS_INLINE V exp_sum(const V &hi, const Lo &lo) {
  constexpr float kQ[] = {4.999999404e-01f, 1.666652113e-01f, 4.166838899e-02f, 8.368716575e-03f, 1.381459879e-03f};
  // Beyond these bounds the result is infinite or 0; a NaN passes because it is the second operand.
  const V x = min(set1(89.0f), max(set1(-104.0f), hi));
  // Adding 1.5 * 2^23 rounds to an integer.
  const V n = fma(x, set1(1.44269504f), set1(12582912.0f)) - set1(12582912.0f);
  const V r = add(fma(n, set1(kLn2Rest), fma(n, set1(-kLn2), x)), lo);
  return scale2(fma(r * r, polynomial(r, kQ), r) + set1(1.0f), n);
}

template <class V> AIOS_INLINE V exp(const V &x) {
  return exp_sum(x, None{});
}

/// exp(x) of differences x <= 88, with its constants in registers: made before a loop. x - m is rounded, which is an
/// error of up to |x| 2^-24 of its exponential; so ln 2 may have one part, whose error is |x| 2^-28 at most, where its
/// product is not rounded. Greater x give something of no use, or infinity.
class Exponential {
public:
  template <class V> AIOS_INLINE V of(const Exponential &c, const V &x) {
    const V least = max(c.least_, x); // a NaN passes because it is the second operand
    const V n = fma(least, c.log2e_, c.magic_) - c.magic_;
    V r = fma(n, c.minus_ln2_, least);
    if constexpr (!kFused)
      r = fma(n, set1(kLn2Rest), r);
    V y = fma(c.q_[4], r, c.q_[3]);
    y = fma(y, r, c.q_[2]);
    y = fma(y, r, c.q_[1]);
    y = fma(y, r, c.q_[0]);
    y = fma(y, r, c.one_);
    return scale2(fma(y, r, c.one_), n);
  }

private:
  VF least_ = held(set1(-104.0f)), log2e_ = held(set1(1.44269504f)), magic_ = held(set1(12582912.0f));
  VF minus_ln2_ = held(set1(kFused ? -0.693147182f : -kLn2)), one_ = held(set1(1.0f));
  VF q_[5] = {held(set1(4.999999404e-01f)), held(set1(1.666652113e-01f)), held(set1(4.166838899e-02f)),
              held(set1(8.368716575e-03f)), held(set1(1.381459879e-03f))};
};

AIOS_INLINE VF log(VF x) {
  constexpr float kP[] = {3.333331048e-01f,  -2.499998659e-01f, 2.000222653e-01f,  -1.666925251e-01f, 1.421866417e-01f,
                          -1.238433495e-01f, 1.187292635e-01f,  -1.178986579e-01f, 6.915540248e-02f};
  const VM denormal = lt(x, set1(FLT_MIN));
  const VF scaled = select(denormal, x * set1(8388608.0f), x);
  // x = m 2^e with sqrt(1/2) <= m < sqrt(2).
  const VI bits = (VI)((VU)scaled + (0x3f800000u - 0x3f3504f3u));
  const VF m = (VF)((bits & 0x007fffff) + 0x3f3504f3);
  const VF e = __builtin_convertvector((bits >> 23) - 127, VF) - select(denormal, set1(23.0f), zero());
  const VF f = m - set1(1.0f);
  const VF square = f * f;
  VF y = f * square * polynomial(f, kP);
  y = fma(e, set1(-kLn2Rest), y);
  y = fma(square, set1(-0.5f), y);
  y = fma(e, set1(kLn2), f + y);
  y = select(lt(x, set1(INFINITY)), y, x); // +infinity and NaN
  y = select(lt(x, zero()), set1(NAN), y);
  return select(eq(x, zero()), set1(-INFINITY), y);
}

template <class V>
requires OfPack<V> AIOS_INLINE V log(const V &x) {
  return map([](VF y) { return log(y); }, x);
}

/// The logistic function 1 / (1 + exp(-x)), which keeps its relative accuracy where it is tiny.
template <class V> AIOS_INLINE V sigmoid(const V &x) {
  const V z = exp(-abs(x)); // cannot overflow
  return select(lt(x, zero()), z, spread<V>(set1(1.0f))) / (z + set1(1.0f));
}

/// 2^x.
template <class V> AIOS_INLINE V exp2(const V &x) {
  // 2^f - 1 on |f| <= 1/2, over f.
  constexpr float kP[] = {6.931471825e-01f, 2.402264774e-01f, 5.550332367e-02f,
                          9.618436918e-03f, 1.339887385e-03f, 1.535336196e-04f};
  const V t = min(set1(129.0f), max(set1(-150.0f), x));
  const V n = (t + set1(12582912.0f)) - set1(12582912.0f);
  const V f = t - n;
  return scale2(fma(f, polynomial(f, kP), set1(1.0f)), n);
}

/// 0.5 x (1 + tanh(u)) = x / (1 + 2^t) with u = sqrt(2 / pi) (x + 0.044715 x^3) and t = -2 u / ln 2. The rounding of t
/// is a relative error of 2^t in any case, so that t needs no second part.
template <class V> AIOS_INLINE V gelu_tanh(const V &x) {
  constexpr float kLinear = -2.302208198f, kCubic = -0.1029432396f;
  return x / (exp2(x * fma(x * x, set1(kCubic), set1(kLinear))) + set1(1.0f));
}

/// The logistic function and its derivative.
template <class V> struct Logistic { V value, slope; };

/// Both keep their relative accuracy where they are tiny.
template <class V> AIOS_INLINE Logistic<V> logistic(const V &x) {
  const V z = exp(-abs(x)); // cannot overflow
  const V inverse = set1(1.0f) / (z + set1(1.0f));
  const V small = z * inverse;
  return {select(lt(x, zero()), small, inverse), small * inverse};
}

template <class V> AIOS_INLINE V tanh(const V &x) {
  constexpr float kP[] = {-3.333328366e-01f, 1.333149076e-01f, -5.374349654e-02f, 2.065058611e-02f, -5.717043299e-03f};
  const V magnitude = abs(x);
  const V square = x * x;
  const V small = fma(square * x, polynomial(square, kP), x);
  const V large = set1(1.0f) - set1(2.0f) / (exp(magnitude + magnitude) + set1(1.0f));
  return select(lt(magnitude, set1(0.625f)), small, copysign(large, x));
}

/// The normal distribution function Phi(x) and, by its density phi, its derivative.
template <class V> struct Normal { V distribution, density; };

/// Phi(-t) = exp(-t^2 / 2) R(t), where R is smooth and has a rational fit with positive terms only: the lower tail
/// keeps its relative accuracy down to where it underflows.
template <class V> AIOS_INLINE Normal<V> normal(const V &x) {
  constexpr float kP[] = {5.000000000e-01f, 4.392808378e-01f, 1.839671731e-01f, 4.088044912e-02f, 4.153124988e-03f};
  constexpr float kQ[] = {1.000000000e+00f, 1.676446676e+00f, 1.205540180e+00f,
                          4.714034796e-01f, 1.024782062e-01f, 1.041022874e-02f};
  const V t = min(set1(16.0f), abs(x));
  // t^2 = head^2 + (t - head)(t + head), where the square of the 12 bits of head is exact.
  const V head = upper_bits(t);
  const V half = spread<V>(set1(-0.5f));
  const V gauss = exp_sum(half * head * head, half * (t - head) * (t + head));
  const V tail = gauss * polynomial(t, kP) / polynomial(t, kQ);
  return {select(lt(x, zero()), tail, set1(1.0f) - tail), gauss * set1(0.398942280f)};
}

} // namespace aios::AIOS_ISA

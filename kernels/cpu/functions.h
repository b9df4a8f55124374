// The functions of one and two variables of aios_kernels.h as types: value(x) and derivative(x), in float.
//
// Where a derivative multiplies something that vanishes for large |x| by x, x is clamped first: infinity times 0
// would be NaN where the limit is 0.
#pragma once

#include "vmath.h"

namespace aios::AIOS_ISA {

/// The scalars of AIOS_UNARY_AFFINE; the other functions ignore them.
struct Scalars {
  float alpha, beta;
};

template <class V> AIOS_INLINE V clamp(V x, float limit) {
  return min(set1(limit), max(set1(-limit), x));
}

struct Copy {
  template <class V> AIOS_INLINE V value(V x, Scalars) { return x; }
  template <class V> AIOS_INLINE V derivative(V, Scalars) { return spread<V>(set1(1.0f)); }
};

struct Affine {
  template <class V> AIOS_INLINE V value(V x, Scalars s) { return fma(set1(s.alpha), x, set1(s.beta)); }
  template <class V> AIOS_INLINE V derivative(V, Scalars s) { return spread<V>(set1(s.alpha)); }
};

struct Abs {
  template <class V> AIOS_INLINE V value(V x, Scalars) { return abs(x); }
  template <class V> AIOS_INLINE V derivative(V x, Scalars) {
    return select(lt(zero(), x), set1(1.0f), select(lt(x, zero()), set1(-1.0f), x));
  }
};

struct Square {
  template <class V> AIOS_INLINE V value(V x, Scalars) { return x * x; }
  template <class V> AIOS_INLINE V derivative(V x, Scalars) { return x + x; }
};

struct Sqrt {
  template <class V> AIOS_INLINE V value(V x, Scalars) { return sqrt(x); }
  template <class V> AIOS_INLINE V derivative(V x, Scalars) { return set1(0.5f) / sqrt(x); }
};

struct Rsqrt {
  template <class V> AIOS_INLINE V value(V x, Scalars) { return set1(1.0f) / sqrt(x); }
  template <class V> AIOS_INLINE V derivative(V x, Scalars) { return set1(-0.5f) / sqrt(x) / x; }
};

struct Reciprocal {
  template <class V> AIOS_INLINE V value(V x, Scalars) { return set1(1.0f) / x; }
  template <class V> AIOS_INLINE V derivative(V x, Scalars) {
    const V y = set1(1.0f) / x;
    return -y * y;
  }
};

struct Exp {
  template <class V> AIOS_INLINE V value(V x, Scalars) { return exp(x); }
  template <class V> AIOS_INLINE V derivative(V x, Scalars) { return exp(x); }
};

struct Log {
  template <class V> AIOS_INLINE V value(V x, Scalars) { return log(x); }
  template <class V> AIOS_INLINE V derivative(V x, Scalars) { return set1(1.0f) / x; }
};

struct Tanh {
  template <class V> AIOS_INLINE V value(V x, Scalars) { return tanh(x); }
  template <class V> AIOS_INLINE V derivative(V x, Scalars) { return set1(4.0f) * logistic(x + x).slope; }
};

struct Sigmoid {
  template <class V> AIOS_INLINE V value(V x, Scalars) { return sigmoid(x); }
  template <class V> AIOS_INLINE V derivative(V x, Scalars) { return logistic(x).slope; }
};

struct Relu {
  template <class V> AIOS_INLINE V value(V x, Scalars) { return max(zero(), x); }
  template <class V> AIOS_INLINE V derivative(V x, Scalars) { return select(lt(zero(), x), set1(1.0f), zero()); }
};

struct Gelu {
  template <class V> AIOS_INLINE V value(V x, Scalars) { return x * normal(x).distribution; }
  template <class V> AIOS_INLINE V derivative(V x, Scalars) {
    const Normal<V> n = normal(x);
    return fma(clamp(x, 16.0f), n.density, n.distribution);
  }
};

/// 0.5 x (1 + tanh(u)) = x logistic(2 u) with 2 u = 2 sqrt(2 / pi) (x + 0.044715 x^3).
struct GeluTanh {
  static constexpr float kLinear = 1.5957691216057308f, kCubic = 0.07135481627159f;
  template <class V> AIOS_INLINE V twice_u(V x) { return x * fma(x * x, set1(kCubic), set1(kLinear)); }
  template <class V> AIOS_INLINE V value(V x, Scalars) { return gelu_tanh(x); }
  template <class V> AIOS_INLINE V derivative(V x, Scalars) {
    const Logistic<V> g = logistic(twice_u(x));
    const V c = clamp(x, 32.0f);
    return fma(c * g.slope, fma(c * c, set1(3.0f * kCubic), set1(kLinear)), g.value);
  }
};

struct Silu {
  template <class V> AIOS_INLINE V value(V x, Scalars) { return x * sigmoid(x); }
  template <class V> AIOS_INLINE V derivative(V x, Scalars) {
    const Logistic<V> g = logistic(x);
    return fma(clamp(x, 128.0f), g.slope, g.value);
  }
};

struct Add {
  template <class V> AIOS_INLINE V value(V a, V b) { return a + b; }
};

struct Sub {
  template <class V> AIOS_INLINE V value(V a, V b) { return a - b; }
};

struct Mul {
  template <class V> AIOS_INLINE V value(V a, V b) { return a * b; }
};

struct Div {
  template <class V> AIOS_INLINE V value(V a, V b) { return a / b; }
};

struct Maximum {
  template <class V> AIOS_INLINE V value(V a, V b) { return max_nan(a, b); }
};

struct Minimum {
  template <class V> AIOS_INLINE V value(V a, V b) { return min_nan(a, b); }
};

struct GreaterEqual {
  template <class V> AIOS_INLINE V value(V a, V b) { return select(ge(a, b), set1(1.0f), zero()); }
};

struct Less {
  template <class V> AIOS_INLINE V value(V a, V b) { return select(lt(a, b), set1(1.0f), zero()); }
};

} // namespace aios::AIOS_ISA

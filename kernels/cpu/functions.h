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

AIOS_INLINE VF clamp(VF x, float limit) {
  return min(set1(limit), max(set1(-limit), x));
}

struct Copy {
  static VF value(VF x, Scalars) { return x; }
  static VF derivative(VF, Scalars) { return set1(1.0f); }
};

struct Affine {
  static VF value(VF x, Scalars s) { return fma(set1(s.alpha), x, set1(s.beta)); }
  static VF derivative(VF, Scalars s) { return set1(s.alpha); }
};

struct Abs {
  static VF value(VF x, Scalars) { return abs(x); }
  static VF derivative(VF x, Scalars) {
    return select(lt(zero(), x), set1(1.0f), select(lt(x, zero()), set1(-1.0f), x));
  }
};

struct Square {
  static VF value(VF x, Scalars) { return x * x; }
  static VF derivative(VF x, Scalars) { return x + x; }
};

struct Sqrt {
  static VF value(VF x, Scalars) { return sqrt(x); }
  static VF derivative(VF x, Scalars) { return set1(0.5f) / sqrt(x); }
};

struct Rsqrt {
  static VF value(VF x, Scalars) { return set1(1.0f) / sqrt(x); }
  static VF derivative(VF x, Scalars) { return set1(-0.5f) / sqrt(x) / x; }
};

struct Reciprocal {
  static VF value(VF x, Scalars) { return set1(1.0f) / x; }
  static VF derivative(VF x, Scalars) {
    const VF y = set1(1.0f) / x;
    return -y * y;
  }
};

struct Exp {
  static VF value(VF x, Scalars) { return exp(x); }
  static VF derivative(VF x, Scalars) { return exp(x); }
};

struct Log {
  static VF value(VF x, Scalars) { return log(x); }
  static VF derivative(VF x, Scalars) { return set1(1.0f) / x; }
};

struct Tanh {
  static VF value(VF x, Scalars) { return tanh(x); }
  static VF derivative(VF x, Scalars) { return set1(4.0f) * logistic(x + x).slope; }
};

struct Sigmoid {
  static VF value(VF x, Scalars) { return logistic(x).value; }
  static VF derivative(VF x, Scalars) { return logistic(x).slope; }
};

struct Relu {
  static VF value(VF x, Scalars) { return max(zero(), x); }
  static VF derivative(VF x, Scalars) { return select(lt(zero(), x), set1(1.0f), zero()); }
};

struct Gelu {
  static VF value(VF x, Scalars) { return x * normal(x).distribution; }
  static VF derivative(VF x, Scalars) {
    const Normal n = normal(x);
    return fma(clamp(x, 16.0f), n.density, n.distribution);
  }
};

/// 0.5 x (1 + tanh(u)) = x logistic(2 u) with 2 u = 2 sqrt(2 / pi) (x + 0.044715 x^3).
struct GeluTanh {
  static constexpr float kLinear = 1.5957691216057308f, kCubic = 0.07135481627159f;
  static VF twice_u(VF x) { return x * fma(x * x, set1(kCubic), set1(kLinear)); }
  static VF value(VF x, Scalars) { return x * logistic(twice_u(x)).value; }
  static VF derivative(VF x, Scalars) {
    const Logistic g = logistic(twice_u(x));
    const VF c = clamp(x, 32.0f);
    return fma(c * g.slope, fma(c * c, set1(3.0f * kCubic), set1(kLinear)), g.value);
  }
};

struct Silu {
  static VF value(VF x, Scalars) { return x * logistic(x).value; }
  static VF derivative(VF x, Scalars) {
    const Logistic g = logistic(x);
    return fma(clamp(x, 128.0f), g.slope, g.value);
  }
};

struct Add {
  static VF value(VF a, VF b) { return a + b; }
};

struct Sub {
  static VF value(VF a, VF b) { return a - b; }
};

struct Mul {
  static VF value(VF a, VF b) { return a * b; }
};

struct Div {
  static VF value(VF a, VF b) { return a / b; }
};

struct Maximum {
  static VF value(VF a, VF b) { return max_nan(a, b); }
};

struct Minimum {
  static VF value(VF a, VF b) { return min_nan(a, b); }
};

struct GreaterEqual {
  static VF value(VF a, VF b) { return select(ge(a, b), set1(1.0f), zero()); }
};

struct Less {
  static VF value(VF a, VF b) { return select(lt(a, b), set1(1.0f), zero()); }
};

} // namespace aios::AIOS_ISA

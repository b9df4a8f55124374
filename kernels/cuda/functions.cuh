// The functions of one and two variables of aios_kernels.h as types: value(x) and derivative(x), in binary32.
//
// Where a derivative multiplies something that vanishes for large |x| by x, x is clamped first: infinity times 0 would
// be NaN where the limit is 0.
#pragma once

#include <cmath>

#include "numbers.cuh"

namespace aios::cuda {

/// The scalars of AIOS_UNARY_AFFINE; the other functions ignore them.
struct Scalars {
  float alpha, beta;
};

__device__ __forceinline__ float clamp(float x, float limit) {
  return x > limit ? limit : x < -limit ? -limit : x;
}

/// The logistic function 1 / (1 + exp(-x)) and its derivative; both keep their relative accuracy where they are tiny.
struct Logistic {
  float value, slope;
};

__device__ __forceinline__ Logistic logistic(float x) {
  const float z = expf(-fabsf(x)); // cannot overflow
  const float inverse = 1.0f / (1.0f + z);
  const float small = z * inverse;
  return {x < 0.0f ? small : inverse, small * inverse};
}

struct Copy {
  __device__ __forceinline__ static float value(float x, Scalars) { return x; }
  __device__ __forceinline__ static float derivative(float, Scalars) { return 1.0f; }
};

struct Affine {
  __device__ __forceinline__ static float value(float x, Scalars s) { return fmaf(s.alpha, x, s.beta); }
  __device__ __forceinline__ static float derivative(float, Scalars s) { return s.alpha; }
};

struct Abs {
  __device__ __forceinline__ static float value(float x, Scalars) { return fabsf(x); }
  __device__ __forceinline__ static float derivative(float x, Scalars) {
    return x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : x;
  }
};

struct Square {
  __device__ __forceinline__ static float value(float x, Scalars) { return x * x; }
  __device__ __forceinline__ static float derivative(float x, Scalars) { return x + x; }
};

struct Sqrt {
  __device__ __forceinline__ static float value(float x, Scalars) { return sqrtf(x); }
  __device__ __forceinline__ static float derivative(float x, Scalars) { return 0.5f / sqrtf(x); }
};

struct Rsqrt {
  __device__ __forceinline__ static float value(float x, Scalars) { return 1.0f / sqrtf(x); }
  __device__ __forceinline__ static float derivative(float x, Scalars) { return -0.5f / sqrtf(x) / x; }
};

struct Reciprocal {
  __device__ __forceinline__ static float value(float x, Scalars) { return 1.0f / x; }
  __device__ __forceinline__ static float derivative(float x, Scalars) {
    const float y = 1.0f / x;
    return -y * y;
  }
};

struct Exp {
  __device__ __forceinline__ static float value(float x, Scalars) { return expf(x); }
  __device__ __forceinline__ static float derivative(float x, Scalars) { return expf(x); }
};

struct Log {
  __device__ __forceinline__ static float value(float x, Scalars) { return logf(x); }
  __device__ __forceinline__ static float derivative(float x, Scalars) { return 1.0f / x; }
};

struct Tanh {
  __device__ __forceinline__ static float value(float x, Scalars) { return tanhf(x); }
  __device__ __forceinline__ static float derivative(float x, Scalars) { return 4.0f * logistic(x + x).slope; }
};

struct Sigmoid {
  __device__ __forceinline__ static float value(float x, Scalars) { return logistic(x).value; }
  __device__ __forceinline__ static float derivative(float x, Scalars) { return logistic(x).slope; }
};

struct Relu {
  __device__ __forceinline__ static float value(float x, Scalars) { return x < 0.0f ? 0.0f : x; }
  __device__ __forceinline__ static float derivative(float x, Scalars) { return x > 0.0f ? 1.0f : 0.0f; }
};

/// x Phi(x). The normal distribution function is computed in binary64: its lower tail would lose its relative accuracy
/// by the rounding of the argument alone.
struct Gelu {
  __device__ __forceinline__ static double distribution(double x) { return 0.5 * erfc(x * -0.70710678118654752); }
  __device__ __forceinline__ static float value(float x, Scalars) {
    return static_cast<float>(static_cast<double>(x) * distribution(static_cast<double>(x)));
  }
  __device__ __forceinline__ static float derivative(float x, Scalars) {
    const double y = static_cast<double>(clamp(x, 16.0f));
    return static_cast<float>(distribution(y) + y * 0.39894228040143268 * exp(-0.5 * y * y));
  }
};

/// 0.5 x (1 + tanh(u)) = x logistic(2 u) with 2 u = 2 sqrt(2 / pi) (x + 0.044715 x^3).
struct GeluTanh {
  static constexpr float kLinear = 1.5957691216057308f, kCubic = 0.07135481627159f;
  __device__ __forceinline__ static float twice_u(float x) { return x * fmaf(x * x, kCubic, kLinear); }
  __device__ __forceinline__ static float value(float x, Scalars) { return x * logistic(twice_u(x)).value; }
  __device__ __forceinline__ static float derivative(float x, Scalars) {
    const Logistic g = logistic(twice_u(x));
    const float c = clamp(x, 32.0f);
    return fmaf(c * g.slope, fmaf(c * c, 3.0f * kCubic, kLinear), g.value);
  }
};

struct Silu {
  __device__ __forceinline__ static float value(float x, Scalars) { return x * logistic(x).value; }
  __device__ __forceinline__ static float derivative(float x, Scalars) {
    const Logistic g = logistic(x);
    return fmaf(clamp(x, 128.0f), g.slope, g.value);
  }
};

struct Sum {
  __device__ __forceinline__ static float value(float a, float b) { return a + b; }
};

struct Difference {
  __device__ __forceinline__ static float value(float a, float b) { return a - b; }
};

struct Product {
  __device__ __forceinline__ static float value(float a, float b) { return a * b; }
};

struct Quotient {
  __device__ __forceinline__ static float value(float a, float b) { return a / b; }
};

struct Maximum {
  __device__ __forceinline__ static float value(float a, float b) { return a != a || a > b ? a : b; }
};

struct Minimum {
  __device__ __forceinline__ static float value(float a, float b) { return a != a || a < b ? a : b; }
};

struct GreaterEqual {
  __device__ __forceinline__ static float value(float a, float b) { return a >= b ? 1.0f : 0.0f; }
};

struct Less {
  __device__ __forceinline__ static float value(float a, float b) { return a < b ? 1.0f : 0.0f; }
};

} // namespace aios::cuda

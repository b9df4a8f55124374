// One vocabulary of vectors for every kernel: W floats at a time, in the instruction set of the build.
//
//   VF, VI, VU   W lanes of float, int32_t, uint32_t: compiler vector types, so + - * / & | ^ << >> work as they are,
//                and a C cast between them reinterprets bits
//   VM           one truth value per lane
//   VD           W lanes of double, only for accumulating sums
//   kRegisters   how many vectors the processor has registers for
//   Full, Tail   how many lanes of a load or store are real; the other lanes are read as 0 and not written
//
// The headers included below give the same functions for their instruction set. Kernels are written once in
// these words; a loop over n elements is `for_vectors(n, [&](int64_t i, auto lanes) { ... load(p + i, lanes) ... })`,
// and the last, partial vector runs the same arithmetic, so a result does not depend on where its element lies.
//
// min(a, b) is `a < b ? a : b` and max(a, b) is `a > b ? a : b`: b when either is NaN.
#pragma once

#include <cfloat>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <utility>

// A kernel is one function. Not so for sanitizers: their checks in every copy of its parts take the compiler minutes.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define AIOS_ALWAYS_INLINE
#else
#define AIOS_ALWAYS_INLINE always_inline
#endif
#define AIOS_INLINE static inline __attribute__((AIOS_ALWAYS_INLINE))

namespace aios::AIOS_ISA {

/// Storage of bfloat16: the upper half of a float.
struct bf16 {
  uint16_t bits;
};

/// Storage of IEEE binary16.
struct f16 {
  uint16_t bits;
};

/// All lanes.
struct Full {};

/// The first `count` lanes, 0 <= count <= W.
struct Tail {
  int count;
};

AIOS_INLINE float float_of(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

AIOS_INLINE uint32_t bits_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

AIOS_INLINE float to_float(float x) {
  return x;
}
AIOS_INLINE float to_float(bf16 x) {
  return float_of(static_cast<uint32_t>(x.bits) << 16);
}

/// Stores one element, rounding to nearest even; a NaN stays a (quiet) NaN.
AIOS_INLINE void store_one(float *p, float x) {
  *p = x;
}
AIOS_INLINE void store_one(bf16 *p, float x) {
  const uint32_t u = bits_of(x);
  const bool nan = (u & 0x7fffffffu) > 0x7f800000u;
  p->bits = static_cast<uint16_t>(nan ? (u >> 16) | 0x40u : (u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}

} // namespace aios::AIOS_ISA

#if defined(__AVX512F__)
#include "simd_avx512.h"
#elif defined(__AVX2__)
#include "simd_avx2.h"
#elif defined(AIOS_ISA_NEON)
#include "simd_neon.h"
#else
#include "simd_portable.h"
#endif

namespace aios::AIOS_ISA {

AIOS_INLINE VF zero() {
  return set1(0.0f);
}
/// x, as a value that the compiler knows nothing about. Where there are enough registers it keeps it in one; a constant
/// it would read from memory again for every use, and loops with ten of them would wait for the load units.
AIOS_INLINE VF held(VF x) {
#if defined(__AVX512F__)
  asm("" : "+v"(x));
#endif
  return x;
}
AIOS_INLINE VF abs(VF x) {
  return (VF)((VI)x & 0x7fffffff);
}

/// The sign of `sign` on the magnitude of `x`.
AIOS_INLINE VF copysign(VF x, VF sign) {
  return (VF)(((VI)x & 0x7fffffff) | ((VI)sign & INT32_MIN));
}

/// x with 12 of its 24 bits, so that the square is exact.
AIOS_INLINE VF upper_bits(VF x) {
  return (VF)((VI)x & ~0xfff);
}

/// The greater of x and acc; NaN once either was NaN.
AIOS_INLINE VF max_nan(VF x, VF acc) {
  return select(is_nan(x), x, max(x, acc));
}

/// The lesser of x and acc; NaN once either was NaN.
AIOS_INLINE VF min_nan(VF x, VF acc) {
  return select(is_nan(x), x, min(x, acc));
}

/// Lane i of the result is lane (i + By) modulo the number of lanes.
template <int By, class V, int... I> AIOS_INLINE V rotate(V x, std::integer_sequence<int, I...>) {
  return __builtin_shufflevector(x, x, ((I + By) % static_cast<int>(sizeof...(I)))...);
}

/// f over all lanes, always in the same order: halves are joined until one lane is left.
template <int Lanes, int Half = Lanes / 2, class V, class F> AIOS_INLINE V join_lanes(V x, const F &f) {
  if constexpr (Half == 0)
    return x;
  else
    return join_lanes<Lanes, Half / 2>(f(x, rotate<Half>(x, std::make_integer_sequence<int, Lanes>{})), f);
}

/// Sum of the lanes, always in the same order.
AIOS_INLINE float reduce_add(VF x) {
  return join_lanes<W>(x, [](VF a, VF b) { return a + b; })[0];
}

AIOS_INLINE float reduce_max(VF x) {
  return join_lanes<W>(x, [](VF a, VF b) { return max(a, b); })[0];
}

AIOS_INLINE double reduce_add(const VD &x) {
  const auto sum = x.lo + x.hi;
  return join_lanes<W / 2>(sum, [](auto a, auto b) { return a + b; })[0];
}

/// Transposes the W x W matrix that the vectors hold.
AIOS_INLINE void transpose(VU (&m)[W]) {
#pragma GCC unroll 4
  for (int i = 0; i < W; i += 4)
    transpose4(m[i], m[i + 1], m[i + 2], m[i + 3]);
  exchange_blocks(m);
}

/// Calls f(i, Full) for each whole vector of n elements, then f(i, Tail) for the rest.
template <class F> AIOS_INLINE void for_vectors(int64_t n, const F &f) {
  int64_t i = 0;
  for (; i + W <= n; i += W)
    f(i, Full{});
  if (i < n)
    f(i, Tail{static_cast<int>(n - i)});
}

} // namespace aios::AIOS_ISA

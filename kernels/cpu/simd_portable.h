// Portable form of simd.h: 16-byte compiler vectors, which map to SSE2, NEON and the like without intrinsics.
#pragma once

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace aios::AIOS_ISA {

constexpr int W = 4;
constexpr int kRegisters = 16; // and no FMA, so that a product needs one of its own
constexpr bool kFused = false; // fma rounds its product too
typedef float VF __attribute__((vector_size(16)));
typedef int32_t VI __attribute__((vector_size(16)));
typedef uint32_t VU __attribute__((vector_size(16)));
typedef VI VM; // all ones where true
typedef double D2 __attribute__((vector_size(16)));

struct VD {
  D2 lo, hi;
};

AIOS_INLINE VF set1(float x) {
  return VF{x, x, x, x};
}
AIOS_INLINE VF fma(VF a, VF b, VF c) {
  return a * b + c;
}
AIOS_INLINE VM lt(VF a, VF b) {
  return a < b;
}
AIOS_INLINE VM ge(VF a, VF b) {
  return a >= b;
}
AIOS_INLINE VM eq(VF a, VF b) {
  return a == b;
}
AIOS_INLINE VM is_nan(VF x) {
  return x != x;
}
/// Whether any lane is not a <= b, NaN included.
AIOS_INLINE bool any_not_le(VF a, VF b) {
  const VI m = ~(a <= b);
  return (m[0] | m[1] | m[2] | m[3]) != 0;
}
AIOS_INLINE VF select(VM m, VF yes, VF no) {
  return (VF)((m & (VI)yes) | (~m & (VI)no));
}

/// x, with the lanes of `other` where x has none that are real.
AIOS_INLINE VF replace_rest(VF x, VF, Full) {
  return x;
}
AIOS_INLINE VF replace_rest(VF x, VF other, Tail t) {
  return select(VI{0, 1, 2, 3} < t.count, x, other);
}

#if defined(__SSE2__)
AIOS_INLINE VF min(VF a, VF b) {
  return _mm_min_ps(a, b);
}
AIOS_INLINE VF max(VF a, VF b) {
  return _mm_max_ps(a, b);
}
AIOS_INLINE VF sqrt(VF x) {
  return _mm_sqrt_ps(x);
}
#else
AIOS_INLINE VF min(VF a, VF b) {
  return select(a < b, a, b);
}
AIOS_INLINE VF max(VF a, VF b) {
  return select(a > b, a, b);
}
AIOS_INLINE VF sqrt(VF x) {
  return VF{__builtin_sqrtf(x[0]), __builtin_sqrtf(x[1]), __builtin_sqrtf(x[2]), __builtin_sqrtf(x[3])};
}
#endif

AIOS_INLINE VF load(const float *p, Full) {
  VF x;
  memcpy(&x, p, sizeof x);
  return x;
}
AIOS_INLINE VF load(const float *p, Tail t) {
  VF x = {};
  for (int i = 0; i < t.count; i++)
    x[i] = p[i];
  return x;
}
AIOS_INLINE void store(float *p, VF x, Full) {
  memcpy(p, &x, sizeof x);
}
AIOS_INLINE void store(float *p, VF x, Tail t) {
  for (int i = 0; i < t.count; i++)
    p[i] = x[i];
}

AIOS_INLINE VF load(const bf16 *p, Full) {
  return (VF)(VU{p[0].bits, p[1].bits, p[2].bits, p[3].bits} << 16);
}
AIOS_INLINE VF load(const bf16 *p, Tail t) {
  VF x = {};
  for (int i = 0; i < t.count; i++)
    x[i] = to_float(p[i]);
  return x;
}
AIOS_INLINE VU narrow(VF x) {
  const VU u = (VU)x;
  const VU rounded = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
  return (VU)select(is_nan(x), (VF)((u >> 16) | 0x40u), (VF)rounded);
}
AIOS_INLINE void store(bf16 *p, VF x, Tail t) {
  const VU u = narrow(x);
  for (int i = 0; i < t.count; i++)
    p[i].bits = static_cast<uint16_t>(u[i]);
}
AIOS_INLINE void store(bf16 *p, VF x, Full) {
  store(p, x, Tail{W});
}

/// binary16 to binary32: the exponent is rebased by a multiplication, which also makes denormals right.
AIOS_INLINE VF widen_f16(VU h) {
  const VU magnitude = (h & 0x7fffu) << 13;
  const VF finite = (VF)magnitude * set1(float_of(0x77800000u)); // 2^112
  const VM special = magnitude >= 0x0f800000u;
  return (VF)((VU)select(special, (VF)(magnitude | 0x7f800000u), finite) | ((h & 0x8000u) << 16));
}

/// binary32 to binary16, to nearest even: denormals by adding a number whose ulp is 2^-24, normals in integers.
AIOS_INLINE VU narrow_f16(VF x) {
  const VU u = (VU)x & 0x7fffffffu;
  const VU denormal = (VU)((VF)u + set1(0.5f)) - 0x3f000000u;
  const VU normal = (u - 0x38000000u + 0xfffu + ((u >> 13) & 1u)) >> 13;
  const VU nan = ((u >> 13) & 0x3ffu) | 0x7e00u;
  VF h = select(u < 0x38800000u, (VF)denormal, (VF)normal);
  h = select(u >= 0x477ff000u, (VF)(VU{} + 0x7c00u), h);
  h = select(u > 0x7f800000u, (VF)nan, h);
  return (VU)h | (((VU)x >> 16) & 0x8000u);
}

AIOS_INLINE VF load(const f16 *p, Tail t) {
  VU h = {};
  for (int i = 0; i < t.count; i++)
    h[i] = p[i].bits;
  return widen_f16(h);
}
AIOS_INLINE VF load(const f16 *p, Full) {
  return load(p, Tail{W});
}
AIOS_INLINE void store(f16 *p, VF x, Tail t) {
  const VU h = narrow_f16(x);
  for (int i = 0; i < t.count; i++)
    p[i].bits = static_cast<uint16_t>(h[i]);
}
AIOS_INLINE void store(f16 *p, VF x, Full) {
  store(p, x, Tail{W});
}

/// Stores past the caches where the processor can; p is aligned to a vector.
#if defined(__SSE2__)
AIOS_INLINE void stream(float *p, VF x) {
  _mm_stream_ps(p, x);
}
AIOS_INLINE void stream_fence() {
  _mm_sfence();
}
#else
AIOS_INLINE void stream(float *p, VF x) {
  store(p, x, Full{});
}
AIOS_INLINE void stream_fence() {}
#endif
AIOS_INLINE void stream(bf16 *p, VF x) {
  store(p, x, Full{});
}

/// x * 2^n for integral |n| < 2^22, rounded once: two exact-range factors, so that results may be denormal.
AIOS_INLINE VF scale2(VF x, VF n) {
  const VI k = (VI)(n + set1(12582912.0f)) - 0x4b400000; // 1.5 * 2^23: the integer in the low bits of the sum
  const VI half = k >> 1;
  return x * (VF)((half + 127) << 23) * (VF)((k - half + 127) << 23);
}

AIOS_INLINE VD zero_double() {
  return VD{D2{0.0, 0.0}, D2{0.0, 0.0}};
}
AIOS_INLINE D2 low_half(VF x) {
  return D2{x[0], x[1]};
}
AIOS_INLINE D2 high_half(VF x) {
  return D2{x[2], x[3]};
}
AIOS_INLINE void accumulate(VD &sum, VF x) {
  sum.lo += low_half(x);
  sum.hi += high_half(x);
}
AIOS_INLINE void accumulate(VD &sum, VF a, VF b) {
  sum.lo += low_half(a) * low_half(b);
  sum.hi += high_half(a) * high_half(b);
}
AIOS_INLINE void accumulate(VD &sum, const VD &x) {
  sum.lo += x.lo;
  sum.hi += x.hi;
}
AIOS_INLINE void store(double *p, const VD &x) {
  memcpy(p, &x, sizeof x);
}

/// The 64-bit products of the even lanes, each in the place of its two lanes.
AIOS_INLINE VU multiply_even(VU a, VU b) {
#if defined(__SSE2__)
  return (VU)_mm_mul_epu32((__m128i)a, (__m128i)b);
#else
  const uint64_t first = static_cast<uint64_t>(a[0]) * b[0], second = static_cast<uint64_t>(a[2]) * b[2];
  return VU{static_cast<uint32_t>(first), static_cast<uint32_t>(first >> 32), static_cast<uint32_t>(second),
            static_cast<uint32_t>(second >> 32)};
#endif
}
/// The odd lanes in the places of the even ones; 0 in the odd ones.
AIOS_INLINE VU odd_lanes(VU x) {
  return VU{x[1], 0, x[3], 0};
}
/// The even lanes of `even` and, between them, the even lanes of `odd`.
AIOS_INLINE VU interleave_even(VU even, VU odd) {
  return VU{even[0], odd[0], even[2], odd[2]};
}

/// Transposes the 4 x 4 matrix that the four vectors hold.
AIOS_INLINE void transpose4(VU &a, VU &b, VU &c, VU &d) {
  const VU p = a, q = b, r = c, s = d;
  a = VU{p[0], q[0], r[0], s[0]};
  b = VU{p[1], q[1], r[1], s[1]};
  c = VU{p[2], q[2], r[2], s[2]};
  d = VU{p[3], q[3], r[3], s[3]};
}

/// A vector is one block of 128 bits: there is nothing to sort.
AIOS_INLINE void exchange_blocks(VU (&)[W]) {}

AIOS_INLINE VF float_of_small(VU x) {
  return __builtin_convertvector((VI)x, VF);
}

} // namespace aios::AIOS_ISA

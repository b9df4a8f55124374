// NEON form of simd.h, for every aarch64 processor: nothing beyond Armv8.0 is used.
#pragma once

#include <arm_neon.h>

namespace aios::AIOS_ISA {

constexpr int W = 4;
constexpr int kRegisters = 32;
constexpr bool kFused = true; // fma rounds once
typedef float VF __attribute__((vector_size(16)));
typedef int32_t VI __attribute__((vector_size(16)));
typedef uint32_t VU __attribute__((vector_size(16)));
typedef VI VM; // all ones where true

struct VD {
  float64x2_t lo, hi;
};

AIOS_INLINE VM lane_mask(Tail t) {
  return VI{0, 1, 2, 3} < t.count;
}

AIOS_INLINE VF set1(float x) {
  return (VF)vdupq_n_f32(x);
}
AIOS_INLINE VF fma(VF a, VF b, VF c) {
  return (VF)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
}
AIOS_INLINE VF sqrt(VF x) {
  return (VF)vsqrtq_f32((float32x4_t)x);
}

AIOS_INLINE VM lt(VF a, VF b) {
  return (VM)vcltq_f32((float32x4_t)a, (float32x4_t)b);
}
AIOS_INLINE VM ge(VF a, VF b) {
  return (VM)vcgeq_f32((float32x4_t)a, (float32x4_t)b);
}
AIOS_INLINE VM eq(VF a, VF b) {
  return (VM)vceqq_f32((float32x4_t)a, (float32x4_t)b);
}
AIOS_INLINE VM is_nan(VF x) {
  return ~eq(x, x);
}
/// Whether any lane is not a <= b, NaN included.
AIOS_INLINE bool any_not_le(VF a, VF b) {
  return vminvq_u32(vcleq_f32((float32x4_t)a, (float32x4_t)b)) == 0;
}
AIOS_INLINE VF select(VM m, VF yes, VF no) {
  return (VF)vbslq_f32((uint32x4_t)m, (float32x4_t)yes, (float32x4_t)no);
}

// FMIN and FMAX order zeros and pass a NaN of either operand on; these give the second operand.
AIOS_INLINE VF min(VF a, VF b) {
  return select(lt(a, b), a, b);
}
AIOS_INLINE VF max(VF a, VF b) {
  return select(lt(b, a), a, b);
}

/// x, with the lanes of `other` where x has none that are real.
AIOS_INLINE VF replace_rest(VF x, VF, Full) {
  return x;
}
AIOS_INLINE VF replace_rest(VF x, VF other, Tail t) {
  return select(lane_mask(t), x, other);
}

AIOS_INLINE VF load(const float *p, Full) {
  return (VF)vld1q_f32(p);
}
AIOS_INLINE VF load(const float *p, Tail t) {
  VF x = {};
  for (int i = 0; i < t.count; i++)
    x[i] = p[i];
  return x;
}
AIOS_INLINE void store(float *p, VF x, Full) {
  vst1q_f32(p, (float32x4_t)x);
}
AIOS_INLINE void store(float *p, VF x, Tail t) {
  for (int i = 0; i < t.count; i++)
    p[i] = x[i];
}

AIOS_INLINE uint16x4_t load_halves(const void *p, Full) {
  return vld1_u16(static_cast<const uint16_t *>(p));
}
AIOS_INLINE uint16x4_t load_halves(const void *p, Tail t) {
  uint16_t lane[W] = {};
  for (int i = 0; i < t.count; i++)
    lane[i] = static_cast<const uint16_t *>(p)[i];
  return vld1_u16(lane);
}
AIOS_INLINE void store_halves(void *p, uint16x4_t x, Full) {
  vst1_u16(static_cast<uint16_t *>(p), x);
}
AIOS_INLINE void store_halves(void *p, uint16x4_t x, Tail t) {
  uint16_t lane[W];
  vst1_u16(lane, x);
  for (int i = 0; i < t.count; i++)
    static_cast<uint16_t *>(p)[i] = lane[i];
}

AIOS_INLINE VF widen(uint16x4_t bits) {
  return (VF)vshll_n_u16(bits, 16);
}
AIOS_INLINE uint16x4_t narrow(VF x) {
  const VU u = (VU)x;
  const VU rounded = u + 0x7fffu + ((u >> 16) & 1u);
  const VU quiet = u | 0x400000u;
  return vshrn_n_u32((uint32x4_t)select(is_nan(x), (VF)quiet, (VF)rounded), 16);
}

template <class Lanes> AIOS_INLINE VF load(const bf16 *p, Lanes lanes) {
  return widen(load_halves(p, lanes));
}
template <class Lanes> AIOS_INLINE void store(bf16 *p, VF x, Lanes lanes) {
  store_halves(p, narrow(x), lanes);
}
template <class Lanes> AIOS_INLINE VF load(const f16 *p, Lanes lanes) {
  return (VF)vcvt_f32_f16(vreinterpret_f16_u16(load_halves(p, lanes)));
}
template <class Lanes> AIOS_INLINE void store(f16 *p, VF x, Lanes lanes) {
  store_halves(p, vreinterpret_u16_f16(vcvt_f16_f32((float32x4_t)x)), lanes);
}

/// Stores as any other: a non-temporal hint needs pairs of registers, and these processors detect streams themselves.
AIOS_INLINE void stream(float *p, VF x) {
  store(p, x, Full{});
}
AIOS_INLINE void stream_fence() {}
AIOS_INLINE void stream(bf16 *p, VF x) {
  store(p, x, Full{});
}

/// x * 2^n for integral n, rounded once: two exact-range factors, so that results may be denormal.
AIOS_INLINE VF scale2(VF x, VF n) {
  const VI k = (VI)vcvtnq_s32_f32((float32x4_t)n);
  const VI half = k >> 1;
  return x * (VF)((half + 127) << 23) * (VF)((k - half + 127) << 23);
}

AIOS_INLINE VD zero_double() {
  return {vdupq_n_f64(0.0), vdupq_n_f64(0.0)};
}
AIOS_INLINE float64x2_t low_half(VF x) {
  return vcvt_f64_f32(vget_low_f32((float32x4_t)x));
}
AIOS_INLINE float64x2_t high_half(VF x) {
  return vcvt_high_f64_f32((float32x4_t)x);
}
AIOS_INLINE void accumulate(VD &sum, VF x) {
  sum.lo = vaddq_f64(sum.lo, low_half(x));
  sum.hi = vaddq_f64(sum.hi, high_half(x));
}
AIOS_INLINE void accumulate(VD &sum, VF a, VF b) {
  sum.lo = vfmaq_f64(sum.lo, low_half(a), low_half(b));
  sum.hi = vfmaq_f64(sum.hi, high_half(a), high_half(b));
}
AIOS_INLINE void accumulate(VD &sum, const VD &x) {
  sum.lo = vaddq_f64(sum.lo, x.lo);
  sum.hi = vaddq_f64(sum.hi, x.hi);
}
AIOS_INLINE void store(double *p, const VD &x) {
  vst1q_f64(p, x.lo);
  vst1q_f64(p + 2, x.hi);
}

/// The 64-bit products of the even lanes, each in the place of its two lanes.
AIOS_INLINE VU multiply_even(VU a, VU b) {
  return (VU)vmull_u32(vmovn_u64((uint64x2_t)a), vmovn_u64((uint64x2_t)b));
}
/// The odd lanes in the places of the even ones; 0 in the odd ones.
AIOS_INLINE VU odd_lanes(VU x) {
  return (VU)vshrq_n_u64((uint64x2_t)x, 32);
}
/// The even lanes of `even` and, between them, the even lanes of `odd`.
AIOS_INLINE VU interleave_even(VU even, VU odd) {
  return (VU)vtrn1q_u32((uint32x4_t)even, (uint32x4_t)odd);
}

/// Transposes the 4 x 4 matrix that the four vectors hold.
AIOS_INLINE void transpose4(VU &a, VU &b, VU &c, VU &d) {
  const uint64x2_t ab_even = vreinterpretq_u64_u32(vtrn1q_u32((uint32x4_t)a, (uint32x4_t)b));
  const uint64x2_t ab_odd = vreinterpretq_u64_u32(vtrn2q_u32((uint32x4_t)a, (uint32x4_t)b));
  const uint64x2_t cd_even = vreinterpretq_u64_u32(vtrn1q_u32((uint32x4_t)c, (uint32x4_t)d));
  const uint64x2_t cd_odd = vreinterpretq_u64_u32(vtrn2q_u32((uint32x4_t)c, (uint32x4_t)d));
  a = (VU)vzip1q_u64(ab_even, cd_even);
  b = (VU)vzip1q_u64(ab_odd, cd_odd);
  c = (VU)vzip2q_u64(ab_even, cd_even);
  d = (VU)vzip2q_u64(ab_odd, cd_odd);
}

/// A vector is one block of 128 bits: there is nothing to sort.
AIOS_INLINE void exchange_blocks(VU (&)[W]) {}

AIOS_INLINE VF float_of_small(VU x) {
  return (VF)vcvtq_f32_u32((uint32x4_t)x);
}

} // namespace aios::AIOS_ISA

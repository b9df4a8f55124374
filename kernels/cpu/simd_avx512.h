// AVX-512 (F, BW, DQ, VL) form of simd.h. bf16 is converted with integer operations: AVX512_BF16 flushes denormals
// and is not part of the instruction set this build is selected for.
#pragma once

// GCC 12 warns of its own _mm512_undefined_ps (its bug 105593).
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#pragma GCC diagnostic pop

namespace aios::AIOS_ISA {

constexpr int W = 16;
constexpr int kRegisters = 32;
constexpr bool kFused = true; // fma rounds once
typedef float VF __attribute__((vector_size(64)));
typedef int32_t VI __attribute__((vector_size(64)));
typedef uint32_t VU __attribute__((vector_size(64)));
typedef __mmask16 VM;

struct VD {
  __m512d lo, hi;
};

AIOS_INLINE __mmask16 lane_mask(Tail t) {
  return static_cast<__mmask16>((1u << t.count) - 1);
}

AIOS_INLINE VF set1(float x) {
  return _mm512_set1_ps(x);
}
AIOS_INLINE VF fma(VF a, VF b, VF c) {
  return _mm512_fmadd_ps(a, b, c);
}
AIOS_INLINE VF min(VF a, VF b) {
  return _mm512_min_ps(a, b);
}
AIOS_INLINE VF max(VF a, VF b) {
  return _mm512_max_ps(a, b);
}
AIOS_INLINE VF sqrt(VF x) {
  return _mm512_sqrt_ps(x);
}

AIOS_INLINE VM lt(VF a, VF b) {
  return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ);
}
AIOS_INLINE VM ge(VF a, VF b) {
  return _mm512_cmp_ps_mask(a, b, _CMP_GE_OQ);
}
AIOS_INLINE VM eq(VF a, VF b) {
  return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ);
}
AIOS_INLINE VM is_nan(VF x) {
  return _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
}
/// Whether any lane is not a <= b, NaN included.
AIOS_INLINE bool any_not_le(VF a, VF b) {
  return _mm512_cmp_ps_mask(a, b, _CMP_NLE_UQ) != 0;
}
AIOS_INLINE VF select(VM m, VF yes, VF no) {
  return _mm512_mask_blend_ps(m, no, yes);
}

/// x, with the lanes of `other` where x has none that are real.
AIOS_INLINE VF replace_rest(VF x, VF, Full) {
  return x;
}
AIOS_INLINE VF replace_rest(VF x, VF other, Tail t) {
  return _mm512_mask_blend_ps(lane_mask(t), other, x);
}

AIOS_INLINE VF load(const float *p, Full) {
  return _mm512_loadu_ps(p);
}
AIOS_INLINE VF load(const float *p, Tail t) {
  return _mm512_maskz_loadu_ps(lane_mask(t), p);
}
AIOS_INLINE void store(float *p, VF x, Full) {
  _mm512_storeu_ps(p, x);
}
AIOS_INLINE void store(float *p, VF x, Tail t) {
  _mm512_mask_storeu_ps(p, lane_mask(t), x);
}

AIOS_INLINE VF widen(__m256i bits) {
  return (VF)_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16);
}
AIOS_INLINE __m256i narrow(VF x) {
  const VU u = (VU)x;
  const __m512i rounded = (__m512i)((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
  const __m512i quiet = (__m512i)((u >> 16) | 0x40u);
  return _mm512_cvtepi32_epi16(_mm512_mask_blend_epi32(is_nan(x), rounded, quiet));
}

AIOS_INLINE VF load(const bf16 *p, Full) {
  return widen(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(p)));
}
AIOS_INLINE VF load(const bf16 *p, Tail t) {
  return widen(_mm256_maskz_loadu_epi16(lane_mask(t), p));
}
AIOS_INLINE void store(bf16 *p, VF x, Full) {
  _mm256_storeu_si256(reinterpret_cast<__m256i *>(p), narrow(x));
}
AIOS_INLINE void store(bf16 *p, VF x, Tail t) {
  _mm256_mask_storeu_epi16(p, lane_mask(t), narrow(x));
}

AIOS_INLINE VF load(const f16 *p, Full) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(p)));
}
AIOS_INLINE VF load(const f16 *p, Tail t) {
  return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(lane_mask(t), p));
}
AIOS_INLINE void store(f16 *p, VF x, Full) {
  _mm256_storeu_si256(reinterpret_cast<__m256i *>(p), _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
}
AIOS_INLINE void store(f16 *p, VF x, Tail t) {
  _mm256_mask_storeu_epi16(p, lane_mask(t), _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
}

/// Stores past the caches; p is aligned to a vector.
AIOS_INLINE void stream(float *p, VF x) {
  _mm512_stream_ps(p, x);
}
AIOS_INLINE void stream(bf16 *p, VF x) {
  _mm256_stream_si256(reinterpret_cast<__m256i *>(p), narrow(x));
}
AIOS_INLINE void stream_fence() {
  _mm_sfence();
}

/// x * 2^n for integral n, rounded once.
AIOS_INLINE VF scale2(VF x, VF n) {
  return _mm512_scalef_ps(x, n);
}

AIOS_INLINE VD zero_double() {
  return {_mm512_setzero_pd(), _mm512_setzero_pd()};
}
AIOS_INLINE __m512d low_half(VF x) {
  return _mm512_cvtps_pd(_mm512_castps512_ps256(x));
}
AIOS_INLINE __m512d high_half(VF x) {
  return _mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1));
}
AIOS_INLINE void accumulate(VD &sum, VF x) {
  sum.lo += low_half(x);
  sum.hi += high_half(x);
}
AIOS_INLINE void accumulate(VD &sum, VF a, VF b) {
  sum.lo = _mm512_fmadd_pd(low_half(a), low_half(b), sum.lo);
  sum.hi = _mm512_fmadd_pd(high_half(a), high_half(b), sum.hi);
}
AIOS_INLINE void accumulate(VD &sum, const VD &x) {
  sum.lo += x.lo;
  sum.hi += x.hi;
}
AIOS_INLINE void store(double *p, const VD &x) {
  _mm512_storeu_pd(p, x.lo);
  _mm512_storeu_pd(p + 8, x.hi);
}

/// The 64-bit products of the even lanes, each in the place of its two lanes.
AIOS_INLINE VU multiply_even(VU a, VU b) {
  return (VU)_mm512_mul_epu32((__m512i)a, (__m512i)b);
}
/// The odd lanes in the places of the even ones; 0 in the odd ones.
AIOS_INLINE VU odd_lanes(VU x) {
  return (VU)_mm512_srli_epi64((__m512i)x, 32);
}
/// The even lanes of `even` and, between them, the even lanes of `odd`.
AIOS_INLINE VU interleave_even(VU even, VU odd) {
  return (VU)_mm512_mask_blend_epi32(0xaaaa, (__m512i)even, _mm512_slli_epi64((__m512i)odd, 32));
}

/// Transposes the 4 x 4 matrix that each 128-bit block of the four vectors holds.
AIOS_INLINE void transpose4(VU &a, VU &b, VU &c, VU &d) {
  const __m512i ab_low = _mm512_unpacklo_epi32((__m512i)a, (__m512i)b);
  const __m512i ab_high = _mm512_unpackhi_epi32((__m512i)a, (__m512i)b);
  const __m512i cd_low = _mm512_unpacklo_epi32((__m512i)c, (__m512i)d);
  const __m512i cd_high = _mm512_unpackhi_epi32((__m512i)c, (__m512i)d);
  a = (VU)_mm512_unpacklo_epi64(ab_low, cd_low);
  b = (VU)_mm512_unpackhi_epi64(ab_low, cd_low);
  c = (VU)_mm512_unpacklo_epi64(ab_high, cd_high);
  d = (VU)_mm512_unpackhi_epi64(ab_high, cd_high);
}

/// Sorts the 128-bit blocks after transpose4 has been applied to each four vectors: block b of vector 4 g + k becomes
/// block g of vector 4 b + k.
AIOS_INLINE void exchange_blocks(VU (&m)[W]) {
#pragma GCC unroll 4
  for (int k = 0; k < 4; k++) {
    const __m512i a = (__m512i)m[k], b = (__m512i)m[4 + k], c = (__m512i)m[8 + k], d = (__m512i)m[12 + k];
    const __m512i ab_low = _mm512_shuffle_i32x4(a, b, 0x44), ab_high = _mm512_shuffle_i32x4(a, b, 0xee);
    const __m512i cd_low = _mm512_shuffle_i32x4(c, d, 0x44), cd_high = _mm512_shuffle_i32x4(c, d, 0xee);
    m[k] = (VU)_mm512_shuffle_i32x4(ab_low, cd_low, 0x88);
    m[4 + k] = (VU)_mm512_shuffle_i32x4(ab_low, cd_low, 0xdd);
    m[8 + k] = (VU)_mm512_shuffle_i32x4(ab_high, cd_high, 0x88);
    m[12 + k] = (VU)_mm512_shuffle_i32x4(ab_high, cd_high, 0xdd);
  }
}

AIOS_INLINE VF float_of_small(VU x) {
  return _mm512_cvtepi32_ps((__m512i)x);
}

} // namespace aios::AIOS_ISA

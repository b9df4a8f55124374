// AVX2 + FMA + F16C form of simd.h.
#pragma once

#include <immintrin.h>

namespace aios::AIOS_ISA {

constexpr int W = 8;
constexpr int kRegisters = 16;
constexpr bool kFused = true; // fma rounds once
typedef float VF __attribute__((vector_size(32)));
typedef int32_t VI __attribute__((vector_size(32)));
typedef uint32_t VU __attribute__((vector_size(32)));
typedef VI VM; // all ones where true

struct VD {
  __m256d lo, hi;
};

AIOS_INLINE __m256i lane_mask(Tail t) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(t.count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

AIOS_INLINE VF set1(float x) {
  return _mm256_set1_ps(x);
}
AIOS_INLINE VF fma(VF a, VF b, VF c) {
  return _mm256_fmadd_ps(a, b, c);
}
AIOS_INLINE VF min(VF a, VF b) {
  return _mm256_min_ps(a, b);
}
AIOS_INLINE VF max(VF a, VF b) {
  return _mm256_max_ps(a, b);
}
AIOS_INLINE VF sqrt(VF x) {
  return _mm256_sqrt_ps(x);
}

AIOS_INLINE VM lt(VF a, VF b) {
  return (VM)_mm256_cmp_ps(a, b, _CMP_LT_OQ);
}
AIOS_INLINE VM ge(VF a, VF b) {
  return (VM)_mm256_cmp_ps(a, b, _CMP_GE_OQ);
}
AIOS_INLINE VM eq(VF a, VF b) {
  return (VM)_mm256_cmp_ps(a, b, _CMP_EQ_OQ);
}
AIOS_INLINE VM is_nan(VF x) {
  return (VM)_mm256_cmp_ps(x, x, _CMP_UNORD_Q);
}
/// Whether any lane is not a <= b, NaN included.
AIOS_INLINE bool any_not_le(VF a, VF b) {
  return _mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_NLE_UQ)) != 0;
}
AIOS_INLINE VF select(VM m, VF yes, VF no) {
  return _mm256_blendv_ps(no, yes, (__m256)m);
}

/// x, with the lanes of `other` where x has none that are real.
AIOS_INLINE VF replace_rest(VF x, VF, Full) {
  return x;
}
AIOS_INLINE VF replace_rest(VF x, VF other, Tail t) {
  return select((VM)lane_mask(t), x, other);
}

AIOS_INLINE VF load(const float *p, Full) {
  return _mm256_loadu_ps(p);
}
AIOS_INLINE VF load(const float *p, Tail t) {
  return _mm256_maskload_ps(p, lane_mask(t));
}
AIOS_INLINE void store(float *p, VF x, Full) {
  _mm256_storeu_ps(p, x);
}
AIOS_INLINE void store(float *p, VF x, Tail t) {
  _mm256_maskstore_ps(p, lane_mask(t), x);
}

AIOS_INLINE __m128i load_halves(const void *p, Full) {
  return _mm_loadu_si128(static_cast<const __m128i *>(p));
}
AIOS_INLINE __m128i load_halves(const void *p, Tail t) {
  uint16_t lane[W] = {};
  for (int i = 0; i < t.count; i++)
    lane[i] = static_cast<const uint16_t *>(p)[i];
  return _mm_loadu_si128(reinterpret_cast<const __m128i *>(lane));
}
AIOS_INLINE void store_halves(void *p, __m128i x, Full) {
  _mm_storeu_si128(static_cast<__m128i *>(p), x);
}
AIOS_INLINE void store_halves(void *p, __m128i x, Tail t) {
  uint16_t lane[W];
  _mm_storeu_si128(reinterpret_cast<__m128i *>(lane), x);
  for (int i = 0; i < t.count; i++)
    static_cast<uint16_t *>(p)[i] = lane[i];
}

AIOS_INLINE VF widen(__m128i bits) {
  return (VF)_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16);
}
AIOS_INLINE __m128i narrow(VF x) {
  const VU u = (VU)x;
  const VU rounded = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
  const VU quiet = (u >> 16) | 0x40u;
  const __m256i word = _mm256_blendv_epi8((__m256i)rounded, (__m256i)quiet, (__m256i)is_nan(x));
  return _mm_packus_epi32(_mm256_castsi256_si128(word), _mm256_extracti128_si256(word, 1));
}

template <class Lanes> AIOS_INLINE VF load(const bf16 *p, Lanes lanes) {
  return widen(load_halves(p, lanes));
}
template <class Lanes> AIOS_INLINE void store(bf16 *p, VF x, Lanes lanes) {
  store_halves(p, narrow(x), lanes);
}
template <class Lanes> AIOS_INLINE VF load(const f16 *p, Lanes lanes) {
  return _mm256_cvtph_ps(load_halves(p, lanes));
}
template <class Lanes> AIOS_INLINE void store(f16 *p, VF x, Lanes lanes) {
  store_halves(p, _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT), lanes);
}

/// Stores past the caches; p is aligned to a vector.
AIOS_INLINE void stream(float *p, VF x) {
  _mm256_stream_ps(p, x);
}
AIOS_INLINE void stream(bf16 *p, VF x) {
  _mm_stream_si128(reinterpret_cast<__m128i *>(p), narrow(x));
}
AIOS_INLINE void stream_fence() {
  _mm_sfence();
}

/// x * 2^n for integral n, rounded once: two exact-range factors, so that results may be denormal.
AIOS_INLINE VF scale2(VF x, VF n) {
  const VI k = (VI)_mm256_cvtps_epi32(n);
  const VI half = k >> 1;
  return x * (VF)((half + 127) << 23) * (VF)((k - half + 127) << 23);
}

AIOS_INLINE VD zero_double() {
  return {_mm256_setzero_pd(), _mm256_setzero_pd()};
}
AIOS_INLINE __m256d low_half(VF x) {
  return _mm256_cvtps_pd(_mm256_castps256_ps128(x));
}
AIOS_INLINE __m256d high_half(VF x) {
  return _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1));
}
AIOS_INLINE void accumulate(VD &sum, VF x) {
  sum.lo += low_half(x);
  sum.hi += high_half(x);
}
AIOS_INLINE void accumulate(VD &sum, VF a, VF b) {
  sum.lo = _mm256_fmadd_pd(low_half(a), low_half(b), sum.lo);
  sum.hi = _mm256_fmadd_pd(high_half(a), high_half(b), sum.hi);
}
AIOS_INLINE void accumulate(VD &sum, const VD &x) {
  sum.lo += x.lo;
  sum.hi += x.hi;
}
AIOS_INLINE void store(double *p, const VD &x) {
  _mm256_storeu_pd(p, x.lo);
  _mm256_storeu_pd(p + 4, x.hi);
}

/// The 64-bit products of the even lanes, each in the place of its two lanes.
AIOS_INLINE VU multiply_even(VU a, VU b) {
  return (VU)_mm256_mul_epu32((__m256i)a, (__m256i)b);
}
/// The odd lanes in the places of the even ones; 0 in the odd ones.
AIOS_INLINE VU odd_lanes(VU x) {
  return (VU)_mm256_srli_epi64((__m256i)x, 32);
}
/// The even lanes of `even` and, between them, the even lanes of `odd`.
AIOS_INLINE VU interleave_even(VU even, VU odd) {
  return (VU)_mm256_blend_epi32((__m256i)even, _mm256_slli_epi64((__m256i)odd, 32), 0xaa);
}

/// Transposes the 4 x 4 matrix that each 128-bit block of the four vectors holds.
AIOS_INLINE void transpose4(VU &a, VU &b, VU &c, VU &d) {
  const __m256i ab_low = _mm256_unpacklo_epi32((__m256i)a, (__m256i)b);
  const __m256i ab_high = _mm256_unpackhi_epi32((__m256i)a, (__m256i)b);
  const __m256i cd_low = _mm256_unpacklo_epi32((__m256i)c, (__m256i)d);
  const __m256i cd_high = _mm256_unpackhi_epi32((__m256i)c, (__m256i)d);
  a = (VU)_mm256_unpacklo_epi64(ab_low, cd_low);
  b = (VU)_mm256_unpackhi_epi64(ab_low, cd_low);
  c = (VU)_mm256_unpacklo_epi64(ab_high, cd_high);
  d = (VU)_mm256_unpackhi_epi64(ab_high, cd_high);
}

/// Sorts the 128-bit blocks after transpose4 has been applied to each four vectors: block b of vector 4 g + k becomes
/// block g of vector 4 b + k.
AIOS_INLINE void exchange_blocks(VU (&m)[W]) {
#pragma GCC unroll 4
  for (int k = 0; k < 4; k++) {
    const __m256i a = (__m256i)m[k], b = (__m256i)m[4 + k];
    m[k] = (VU)_mm256_permute2x128_si256(a, b, 0x20);
    m[4 + k] = (VU)_mm256_permute2x128_si256(a, b, 0x31);
  }
}

AIOS_INLINE VF float_of_small(VU x) {
  return _mm256_cvtepi32_ps((__m256i)x);
}

} // namespace aios::AIOS_ISA

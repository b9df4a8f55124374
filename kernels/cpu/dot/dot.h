// Dot products of short groups, lane by lane: what the matrix products of narrow types are made of. A word is the 32
// bits of a lane; it holds two bfloat16, two int16_t or four bytes, the first one in the lowest bits. kDotBf16 and
// kDotBytes say whether this instruction set has the instruction; without it the same function is made of others.
#pragma once

#include <type_traits>

#include "simd.h"

#if !defined(__AVX512F__) && !defined(__AVX2__) && defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace aios::AIOS_ISA {

#if defined(__AVX512BF16__)
constexpr bool kDotBf16 = true;
#else
constexpr bool kDotBf16 = false;
#endif
#if defined(__AVX512VNNI__) || defined(__AVXVNNI__)
constexpr bool kDotBytes = true;
#else
constexpr bool kDotBytes = false;
#endif

/// sum + a1 b1 + a0 b0 of bfloat16, each step a fused multiply-add. The instruction reads denormals as 0 and flushes
/// them in the result.
AIOS_INLINE VF dot_bf16(VF sum, VU a, VU b) {
#if defined(__AVX512BF16__)
  return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b);
#else
  sum = fma((VF)(a & 0xffff0000u), (VF)(b & 0xffff0000u), sum);
  return fma((VF)(a << 16), (VF)(b << 16), sum);
#endif
}

/// sum + a0 b0 + a1 b1 of int16_t, modulo 2^32.
AIOS_INLINE VI dot_i16(VI sum, VU a, VU b) {
#if defined(__AVX512BW__)
  return sum + (VI)_mm512_madd_epi16((__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
  return sum + (VI)_mm256_madd_epi16((__m256i)a, (__m256i)b);
#elif defined(__SSE2__)
  return sum + (VI)_mm_madd_epi16((__m128i)a, (__m128i)b);
#elif defined(AIOS_ISA_NEON)
  const int16x8_t x = (int16x8_t)a, y = (int16x8_t)b;
  return sum + (VI)vpaddq_s32(vmull_s16(vget_low_s16(x), vget_low_s16(y)), vmull_high_s16(x, y));
#else
  sum += (VI)(((VI)(a << 16) >> 16) * ((VI)(b << 16) >> 16));
  return sum + ((VI)a >> 16) * ((VI)b >> 16);
#endif
}

/// The even bytes of the words as int16_t, and the odd ones, of unsigned and of signed bytes.
AIOS_INLINE VU even_unsigned(VU x) {
  return x & 0x00ff00ffu;
}
AIOS_INLINE VU odd_unsigned(VU x) {
  return (x >> 8) & 0x00ff00ffu;
}
AIOS_INLINE VU odd_signed(VU x) {
#if defined(__AVX512BW__)
  return (VU)_mm512_srai_epi16((__m512i)x, 8);
#elif defined(__AVX2__)
  return (VU)_mm256_srai_epi16((__m256i)x, 8);
#elif defined(AIOS_ISA_NEON)
  return (VU)vshrq_n_s16((int16x8_t)x, 8);
#else
  return ((VU)((VI)x >> 8) & 0xffff0000u) | ((VU)((VI)(x << 16) >> 24) & 0xffffu);
#endif
}
AIOS_INLINE VU even_signed(VU x) {
  return odd_signed(x << 8);
}

/// sum + a0 b0 + a1 b1 + a2 b2 + a3 b3 with unsigned bytes in a and signed ones in b, modulo 2^32; nothing saturates.
AIOS_INLINE VI dot_bytes(VI sum, VU a, VU b) {
#if defined(__AVX512VNNI__)
  return (VI)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)a, (__m512i)b);
#elif defined(__AVXVNNI__)
  return (VI)_mm256_dpbusd_avx_epi32((__m256i)sum, (__m256i)a, (__m256i)b);
#else
  return dot_i16(dot_i16(sum, even_unsigned(a), even_signed(b)), odd_unsigned(a), odd_signed(b));
#endif
}

/// W words as they are.
AIOS_INLINE VU load_words(const uint32_t *p, Full) {
  VU x;
  memcpy(&x, p, sizeof x);
  return x;
}
AIOS_INLINE VU load_words(const uint32_t *p, Tail t) {
#if defined(__AVX512F__)
  return (VU)_mm512_maskz_loadu_epi32(lane_mask(t), p);
#else
  VU x = {};
  for (int i = 0; i < t.count; i++)
    x[i] = p[i];
  return x;
#endif
}
AIOS_INLINE void store_words(uint32_t *p, VU x, Full) {
  memcpy(p, &x, sizeof x);
}
AIOS_INLINE void store_words(uint32_t *p, VU x, Tail t) {
#if defined(__AVX512F__)
  _mm512_mask_storeu_epi32(p, lane_mask(t), (__m512i)x);
#else
  for (int i = 0; i < t.count; i++)
    p[i] = x[i];
#endif
}

/// W bytes, each in a word of its own; without a sign, and with it.
template <class Lanes> AIOS_INLINE VU load_bytes(const uint8_t *p, Lanes lanes) {
#if defined(__AVX512BW__)
  if constexpr (std::is_same_v<Lanes, Full>)
    return (VU)_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i *>(p)));
  else
    return (VU)_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(lane_mask(lanes), p));
#else
#if defined(__AVX2__)
  if constexpr (std::is_same_v<Lanes, Full>)
    return (VU)_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i *>(p)));
#endif
  int count = W;
  if constexpr (!std::is_same_v<Lanes, Full>)
    count = lanes.count;
  VU x = {};
  for (int i = 0; i < count; i++)
    x[i] = p[i];
  return x;
#endif
}
template <class Lanes> AIOS_INLINE VI load_bytes(const int8_t *p, Lanes lanes) {
  return (VI)(load_bytes(reinterpret_cast<const uint8_t *>(p), lanes) << 24) >> 24;
}

} // namespace aios::AIOS_ISA

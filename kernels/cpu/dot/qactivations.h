// The left operand of products with integer codes: a row of activations becomes signed bytes with a scale for every
// block of neighbours. Rows are packed in tiles of kRows, which walk through k side by side; rows and columns beyond
// the matrix are 0.
#pragma once

#include "dot.h"
#include "qformat.h"

namespace aios::AIOS_ISA {

/// Magnitudes below this count as 0: their reciprocal times 127 is not finite.
constexpr float kLeastMagnitude = 0x1p-120f;

/// What a stretch of a row is multiplied by before it is rounded, and what its bytes are multiplied by afterwards. The
/// latter is NaN when an element is not finite.
struct ActivationScale {
  float forward, back;
};

AIOS_INLINE ActivationScale activation_scale(float greatest) {
  return greatest < kLeastMagnitude ? ActivationScale{0.0f, 0.0f}
                                    : ActivationScale{127.0f / greatest, greatest / 127.0f};
}

/// The greatest lane.
AIOS_INLINE int32_t reduce_greatest(VI x) {
#if defined(__AVX512F__)
  return _mm512_reduce_max_epi32((__m512i)x);
#else
  int32_t most = x[0];
  for (int i = 1; i < W; i++)
    most = x[i] > most ? x[i] : most;
  return most;
#endif
}

/// n is best a constant.
template <class T> AIOS_INLINE ActivationScale activation_scale(const T *x, int64_t n) {
  // As integers the bits of magnitudes have the order of their values, with infinity and NaN above all.
  VI greatest = {};
  for_vectors(n, [&](int64_t i, auto lanes) {
    const VI bits = (VI)load(x + i, lanes) & 0x7fffffff;
    greatest = bits > greatest ? bits : greatest;
  });
  const auto bits = static_cast<uint32_t>(reduce_greatest(greatest));
  return bits < 0x7f800000u ? activation_scale(float_of(bits)) : ActivationScale{0.0f, __builtin_nanf("")};
}

/// Stores the lowest bytes of the lanes. As vectors GCC would convert them one by one.
AIOS_INLINE void store_low_bytes(int8_t *p, VI x) {
#if defined(__AVX512F__)
  _mm_storeu_si128(reinterpret_cast<__m128i *>(p), _mm512_cvtepi32_epi8((__m512i)x));
#elif defined(__AVX2__)
  const __m256i bytes = _mm256_shuffle_epi8((__m256i)x, _mm256_set1_epi32(0x0c080400));
  const __m128i pairs = _mm_unpacklo_epi32(_mm256_castsi256_si128(bytes), _mm256_extracti128_si256(bytes, 1));
  const int64_t all = _mm_cvtsi128_si64(pairs);
  memcpy(p, &all, sizeof all);
#else
  for (int i = 0; i < W; i++)
    p[i] = static_cast<int8_t>(x[i]);
#endif
}

/// The bytes of 32 elements.
template <class T> AIOS_INLINE void activation_bytes(int8_t (&to)[32], const T *x, float forward) {
  // The sum with 1.5 * 2^23 rounds to an integer, which its lowest byte holds.
  for (int i = 0; i < 32; i += W)
    store_low_bytes(to + i, (VI)(load(x + i, Full{}) * set1(forward) + set1(0x1.8p23f)));
}

/// The scale of the columns first .. first + 31 of a row of k, which may end before them.
template <class T> AIOS_INLINE ActivationScale block_scale(const T *row, int64_t first, int64_t k) {
  if (first + 32 <= k)
    return activation_scale(row + first, 32);
  return first < k ? activation_scale(row + first, k - first) : ActivationScale{0.0f, 0.0f};
}

/// Their bytes, 0 beyond the end of the row.
template <class T>
AIOS_INLINE void block_bytes(int8_t (&to)[32], const T *row, int64_t first, int64_t k, float forward) {
  if (first + 32 <= k)
    return activation_bytes(to, row + first, forward);
  T last[32] = {};
  if (first < k)
    memcpy(last, row + first, static_cast<size_t>(k - first) * sizeof(T));
  activation_bytes(to, last, forward);
}

/// The sum of N bytes, 16 or 32.
template <int N> AIOS_INLINE int32_t sum_bytes(const int8_t *x) {
  int32_t sum = 0;
  for (int i = 0; i < N; i += 16) {
#if defined(__SSE2__)
    const __m128i all = _mm_loadu_si128(reinterpret_cast<const __m128i *>(x + i));
    const __m128i sums = _mm_sad_epu8(_mm_xor_si128(all, _mm_set1_epi8(-128)), _mm_setzero_si128());
    sum += _mm_cvtsi128_si32(sums) + _mm_extract_epi16(sums, 4) - 16 * 128;
#else
    for (int j = 0; j < 16; j++)
      sum += x[i + j];
#endif
  }
  return sum;
}

} // namespace aios::AIOS_ISA

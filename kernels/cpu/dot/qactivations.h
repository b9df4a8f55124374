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

/// The bytes of n <= 32 elements, and zeros up to 32.
template <class T> AIOS_INLINE void activation_bytes(int8_t (&to)[32], const T *x, int64_t n, float forward) {
  typedef int8_t Narrow __attribute__((vector_size(W)));
  memset(to, 0, sizeof to);
  for_vectors(n, [&](int64_t i, auto lanes) {
    // The sum with 1.5 * 2^23 rounds to an integer, which its lowest byte holds.
    const VI rounded = (VI)(load(x + i, lanes) * set1(forward) + set1(0x1.8p23f));
    const Narrow bytes = __builtin_convertvector(rounded, Narrow);
    memcpy(to + i, &bytes, sizeof bytes);
  });
}

} // namespace aios::AIOS_ISA

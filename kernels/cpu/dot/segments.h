// Vectors of codes for the products of few rows: a vector is W / 4 segments of 16 bytes, each 16 weights of one group.
#pragma once

#include <utility>

#include "dot.h"
#include "qformat.h"

namespace aios::AIOS_ISA {

constexpr int kSegments = W / 4;

/// 16 bytes, and the same as words.
typedef uint8_t B16 __attribute__((vector_size(16)));
typedef uint32_t U4 __attribute__((vector_size(16)));

template <class V> AIOS_INLINE V load_as(const void *p) {
  V value;
  memcpy(&value, p, sizeof value);
  return value;
}

/// Calls f with the constants 0 .. N - 1, so that what depends on them is settled at compile time.
template <int N, class F> AIOS_INLINE void unrolled(const F &f) {
  [&]<int... I>(std::integer_sequence<int, I...>) __attribute__((AIOS_ALWAYS_INLINE)) {
    (f(std::integral_constant<int, I>{}), ...);
  }
  (std::make_integer_sequence<int, N>{});
}

/// The group, counted within W neighbours, whose sum ends up in a lane: vector `lane % 4`, segment `lane / 4`.
constexpr int group_of_lane(int lane) {
  return kSegments * (lane % 4) + lane / 4;
}

/// Segment i is the 16 bytes at p + offset(i); the offsets are constants, and repeated or neighbouring ones cost less.
template <class F> AIOS_INLINE VU segments(const uint8_t *p, F offset) {
#if defined(__AVX512F__)
  const auto at = [&](int i) __attribute__((AIOS_ALWAYS_INLINE)) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i *>(p + offset(i)));
  };
  constexpr int o0 = offset(0), o1 = offset(1), o2 = offset(2), o3 = offset(3);
  if constexpr (o1 == o0 + 16 && o2 == o0 + 32 && o3 == o0 + 48)
    return load_as<VU>(p + o0);
  else if constexpr (o1 == o0 + 16 && o2 == o0 && o3 == o1)
    return (VU)_mm512_broadcast_i64x4(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(p + o0)));
  else {
    __m512i x = _mm512_broadcast_i32x4(at(0));
    if constexpr (o1 != o0)
      x = _mm512_mask_broadcast_i32x4(x, 0x00f0, at(1));
    if constexpr (o2 != o0)
      x = _mm512_mask_broadcast_i32x4(x, o3 == o2 ? 0xff00 : 0x0f00, at(2));
    if constexpr (o3 != o0 && o3 != o2)
      x = _mm512_mask_broadcast_i32x4(x, 0xf000, at(3));
    return (VU)x;
  }
#else
  VU x;
  for (int i = 0; i < kSegments; i++)
    memcpy(reinterpret_cast<uint8_t *>(&x) + 16 * i, p + offset(i), 16);
  return x;
#endif
}

/// A word that is the same in all lanes of a segment: value(i) in segment i.
template <class F> AIOS_INLINE VU segment_words(F value) {
  VU x;
  for (int lane = 0; lane < W; lane++)
    x[lane] = static_cast<uint32_t>(value(lane / 4));
  return x;
}

/// table[x] for each byte x < 16.
AIOS_INLINE B16 lookup(B16 table, B16 x) {
#if defined(__SSSE3__)
  return (B16)_mm_shuffle_epi8((__m128i)table, (__m128i)x);
#elif defined(__aarch64__)
  return (B16)vqtbl1q_u8((uint8x16_t)table, (uint8x16_t)x);
#else
  B16 result;
  for (int i = 0; i < 16; i++)
    result[i] = table[x[i]];
  return result;
#endif
}
AIOS_INLINE VU lookup(B16 table, VU x) {
#if defined(__AVX512BW__)
  return (VU)_mm512_shuffle_epi8(_mm512_broadcast_i32x4((__m128i)table), (__m512i)x);
#elif defined(__AVX2__)
  return (VU)_mm256_shuffle_epi8(_mm256_broadcastsi128_si256((__m128i)table), (__m256i)x);
#else
  static_assert(W == 4);
  return (VU)lookup(table, (B16)x);
#endif
}

/// 16 in the bytes whose bit is set: byte j of a segment looks at bit 16 Half + j of the segment's first word.
template <int Half> AIOS_INLINE VU fifth_bits(VU x) {
#if defined(__AVX512BW__)
  const __m512i spread = _mm512_set4_epi32(0x01010101, 0x01010101, 0, 0);
  const __m512i bytes = _mm512_shuffle_epi8((__m512i)x, _mm512_or_si512(spread, _mm512_set1_epi8(2 * Half)));
  const __mmask64 set = _mm512_test_epi8_mask(bytes, _mm512_set1_epi64(static_cast<int64_t>(0x8040201008040201)));
  return (VU)_mm512_maskz_mov_epi8(set, _mm512_set1_epi8(16));
#else
  typedef uint8_t Bytes __attribute__((vector_size(4 * W)));
  Bytes spread, bit;
  const Bytes bytes = (Bytes)x;
  for (int i = 0; i < 4 * W; i++) {
    spread[i] = bytes[i / 16 * 16 + 2 * Half + i % 16 / 8];
    bit[i] = static_cast<uint8_t>(1 << (i % 8));
  }
  return (VU)((spread & bit) != 0) & 0x10101010u;
#endif
}

/// The sums of the four lanes of each segment of four vectors: lane 4 i + j is that of segment i of vector j.
AIOS_INLINE VI segment_sums(VI a, VI b, VI c, VI d) {
#if defined(__AVX512F__)
  const __m512i ab =
      _mm512_add_epi32(_mm512_unpacklo_epi32((__m512i)a, (__m512i)b), _mm512_unpackhi_epi32((__m512i)a, (__m512i)b));
  const __m512i cd =
      _mm512_add_epi32(_mm512_unpacklo_epi32((__m512i)c, (__m512i)d), _mm512_unpackhi_epi32((__m512i)c, (__m512i)d));
  return (VI)_mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
#else
  VU w = (VU)a, x = (VU)b, y = (VU)c, z = (VU)d;
  transpose4(w, x, y, z);
  return (VI)(w + x + y + z);
#endif
}

AIOS_INLINE VF to_floats(VI x) {
  return __builtin_convertvector(x, VF);
}

/// The lowest four bits of each word as a number. Higher bits below bit 8 do not matter.
AIOS_INLINE VF low_digits(VU x) {
#if defined(__AVX512F__)
  return _mm512_permutexvar_ps((__m512i)x, VF{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15});
#else
  return to_floats((VI)(x & 15u));
#endif
}

/// The binary16 numbers at p and p + 2, each in all lanes.
AIOS_INLINE void two_halves(const uint8_t *p, VF &first, VF &second) {
#if defined(__AVX512F__)
  const __m512 both = _mm512_cvtph_ps(_mm256_set1_epi32(load_as<int32_t>(p)));
  first = _mm512_moveldup_ps(both);
  second = _mm512_movehdup_ps(both);
#else
  first = set1(half_at(p));
  second = set1(half_at(p + 2));
#endif
}

/// The same for two places at once: the first one's numbers in lanes 0 and 1 of each segment, the second one's in lanes
/// 2 and 3.
AIOS_INLINE void repeat_halves(const uint8_t *p, const uint8_t *q, VF &first, VF &second) {
#if defined(__AVX512F__)
  const __m256i words = _mm256_mask_set1_epi32(_mm256_set1_epi32(load_as<int32_t>(p)), 0xaa, load_as<int32_t>(q));
  const __m512 both = _mm512_cvtph_ps(words); // d, dmin of p, d, dmin of q, and again
  first = _mm512_moveldup_ps(both);
  second = _mm512_movehdup_ps(both);
#else
  VF a[2], b[2];
  two_halves(p, a[0], a[1]);
  two_halves(q, b[0], b[1]);
  for (int i = 0; i < W; i++) {
    a[0][i] = i % 4 < 2 ? a[0][i] : b[0][i];
    a[1][i] = i % 4 < 2 ? a[1][i] : b[1][i];
  }
  first = a[0];
  second = a[1];
#endif
}

/// Lane l is byte First + group_of_lane(l) of sixteen, without a sign, or with it.
template <int First, class Byte, int... L> AIOS_INLINE VI spread_bytes(B16 x, std::integer_sequence<int, L...>) {
  typedef Byte Narrow __attribute__((vector_size(W)));
  const Narrow bytes = {static_cast<Byte>(x[First + group_of_lane(L)])...};
  return __builtin_convertvector(bytes, VI);
}
template <int First, class Byte> AIOS_INLINE VI spread_bytes(B16 x) {
#if defined(__AVX512F__)
  static_assert(First == 0);
  const __m128i order = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const __m128i bytes = _mm_shuffle_epi8((__m128i)x, order);
  return (VI)(std::is_signed_v<Byte> ? _mm512_cvtepi8_epi32(bytes) : _mm512_cvtepu8_epi32(bytes));
#else
  return spread_bytes<First, Byte>(x, std::make_integer_sequence<int, W>{});
#endif
}

/// Lane l is the binary16 number at p + At + Stride * group_of_lane(l), out of W * Stride bytes.
template <int Stride, int At> AIOS_INLINE VF spread_halves(const uint8_t *p) {
#if defined(__AVX512BW__)
  constexpr int kBytes = W * Stride, kVectors = (kBytes + 63) / 64;
  struct Pick {
    uint16_t index[32];
    uint32_t mask;
  };
  // Which words of a pair of vectors go where. The last vector ends with the last byte.
  constexpr auto start = [](int v) { return v * 64 < kBytes - 64 ? v * 64 : kBytes - 64; };
  constexpr auto pick = [start](int pair) {
    Pick result = {};
    for (int lane = 0; lane < W; lane++) {
      const int byte = At + Stride * group_of_lane(lane);
      const int vector = byte / 64 < kVectors - 1 ? byte / 64 : kVectors - 1;
      if (vector / 2 == pair) {
        result.index[lane] = static_cast<uint16_t>((byte - start(vector)) / 2 + 32 * (vector % 2));
        result.mask |= 1u << lane;
      }
    }
    return result;
  };
  __m512i words = _mm512_setzero_si512();
  unrolled<(kVectors + 1) / 2>([&](auto pair) __attribute__((AIOS_ALWAYS_INLINE)) {
    static constexpr Pick kPick = pick(pair);
    const auto first = load_as<__m512i>(p + start(2 * pair));
    const auto second = load_as<__m512i>(p + start(2 * pair + 1 < kVectors ? 2 * pair + 1 : 2 * pair));
    const __m512i picked = _mm512_maskz_permutex2var_epi16(kPick.mask, first, load_as<__m512i>(kPick.index), second);
    words = _mm512_or_si512(words, picked);
  });
  return _mm512_cvtph_ps(_mm512_castsi512_si256(words));
#else
  f16 halves[W];
  for (int lane = 0; lane < W; lane++)
    memcpy(&halves[lane], p + At + Stride * group_of_lane(lane), 2);
  return load(halves, Full{});
#endif
}

} // namespace aios::AIOS_ISA

// The codes and scales of the block formats as vectors, for the products of few rows, which unpack weights on the fly.
//
// Codes<Format> looks at a step of kStep groups (kSub weights each), W at a time ("quad" q = 0, 1, ...):
//   unpack<q, a>(step, x)   x[j]: the 16 j .. 16 j + 15th codes of groups W q + kSegments a + i in segment i, for a < 4
//   scales<q>(step, s, m)   scales and offsets, or minima, of W groups
//   lane(g), factor(g)      the lane of a group within its W neighbours, and what its codes come out multiplied by
//   kOffsetSign             -1 where the offsets are minima, which are taken off
#pragma once

#include "qformat.h"
#include "segments.h"

namespace aios::AIOS_ISA {

/// Groups of a block, and of a step: whole blocks and whole vectors of scales.
template <class Format> constexpr int kGroups = Format::kBlock / Format::kSub;
template <class Format> constexpr int kStep = kGroups<Format> > W ? kGroups<Format> : W;

/// Group of segment i of vector a of quad q.
constexpr int group_at(int q, int a, int i) {
  return W * q + kSegments * a + i;
}

/// Lane of a group, of W neighbours: the inverse of group_of_lane.
constexpr int lane_of_group(int g) {
  return g % kSegments * 4 + g / kSegments;
}

/// Where the groups of most formats go, and what their codes are multiplied by.
struct PlainPlaces {
  static constexpr float kOffsetSign = 1.0f;
  static constexpr int lane(int g) { return lane_of_group(g % W); }
  static constexpr int factor(int) { return 1; }
};

/// Moves bits of each byte to the left or, if negative, to the right, by one amount for each segment. All amounts of a
/// vector have the same sign.
template <class F> AIOS_INLINE VU shift_segments(VU x, F amount) {
  if constexpr (amount(0) > 0 || (kSegments > 1 && amount(kSegments - 1) > 0))
    return x << segment_words(amount);
  else
    return x >> segment_words([=](int i) { return -amount(i); });
}

template <class Format> struct Codes;

template <class Format>
requires(Format::kBlock == 32) struct Codes<Format> : PlainPlaces {
  template <int Q, int A> static void unpack(const uint8_t *p, VU (&x)[2]) {
    constexpr auto block = [](int i) { return group_at(0, A, i) * Format::kBytes; };
    constexpr auto codes = [block](int i) { return block(i) + Format::kCodesAt; };
    const VU low = segments(p, codes);
    if constexpr (std::is_same_v<Format, Q8_0>) {
      x[0] = low ^ 0x80808080u;
      x[1] = segments(p + 16, codes) ^ 0x80808080u;
      return;
    }
    x[0] = low & 0x0f0f0f0fu;
    x[1] = low >> 4 & 0x0f0f0f0fu;
    if constexpr (std::is_same_v<Format, IQ4_NL>) {
      x[0] = lookup(load_as<B16>(IQ4_NL::kTable), x[0]);
      x[1] = lookup(load_as<B16>(IQ4_NL::kTable), x[1]);
    } else if constexpr (requires { requires Format::kFifth; }) {
      const VU fifth = segments(p + Format::kFifthAt, block);
      x[0] |= fifth_bits<0>(fifth);
      x[1] |= fifth_bits<1>(fifth);
    }
  }

  template <int Q> static void scales(const uint8_t *p, VF &s, VF &m) {
    s = spread_halves<Format::kBytes, 0>(p);
    if constexpr (Format::kMins)
      m = spread_halves<Format::kBytes, 2>(p);
  }
};

/// Where the codes of 2 bits of a group lie, and their shift: see Q2_K.
constexpr int pairs_at(int g) {
  return g / 8 * 32 + g % 2 * 16;
}
constexpr int pair_shift(int g) {
  return g % 8 / 2 * 2;
}

/// Q2_K and Q3_K leave their codes where they lie in the byte, multiplied by 4^j, rather than shift them. So with four
/// segments vector a has the groups 8 h + 2 a + (0, 1) of both halves h: 64 neighbouring bytes.
struct PairPlaces {
  static constexpr float kOffsetSign = -1.0f;
  static constexpr int group(int q, int a, int i) { return W == 16 ? i / 2 * 8 + 2 * a + i % 2 : group_at(q, a, i); }
  static constexpr int lane(int g) { return W == 16 ? (g / 8 * 2 + g % 2) * 4 + g % 8 / 2 : lane_of_group(g % W); }

  /// Byte `group of lane l` of 16 in lane l.
  template <int Q, class Byte> static VI spread(B16 x) {
#if defined(__AVX512F__)
    const __m128i order = _mm_setr_epi8(0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15);
    return (VI)_mm512_cvtepu8_epi32(_mm_shuffle_epi8((__m128i)x, order));
#else
    return spread_bytes<Q * W, Byte>(x);
#endif
  }
};

template <> struct Codes<Q2_K> : PairPlaces {
  static constexpr int factor(int g) { return 1 << pair_shift(g); }

  template <int Q, int A> static void unpack(const uint8_t *p, VU (&x)[1]) {
    const VU pairs = segments(p + Q2_K::kCodesAt, [](int i) { return pairs_at(group(Q, A, i)); });
    x[0] = pairs & segment_words([](int i) { return 0x03030303u << pair_shift(group(Q, A, i)); });
  }

  template <int Q> static void scales(const uint8_t *p, VF &s, VF &m) {
    const VU both = (VU)spread<Q, uint8_t>(load_as<B16>(p + Q2_K::kScalesAt));
    VF d, dmin;
    two_halves(p + Q2_K::kHalvesAt, d, dmin);
    s = low_digits(both) * d;
    m = low_digits(both >> 4) * dmin;
  }
};

template <> struct Codes<Q3_K> : PairPlaces {
  // Together with the third bit the last pair does not fit its byte at 4^3.
  static constexpr int code_shift(int g) { return pair_shift(g) < 4 ? pair_shift(g) : 4; }
  static constexpr int factor(int g) { return 1 << code_shift(g); }

  template <int Q, int A> static void unpack(const uint8_t *p, VU (&x)[1]) {
    VU pairs = segments(p + Q3_K::kCodesAt, [](int i) { return pairs_at(group(Q, A, i)); });
    VU third = segments(p + Q3_K::kThirdAt, [](int i) { return group(Q, A, i) % 2 * 16; });
    // The bit of group g is bit g / 2; it goes to the place above the pair.
    if constexpr (pair_shift(group(Q, A, 0)) > 4)
      pairs = pairs >> 2;
    constexpr int kBit = pair_shift(group(Q, A, 0)) / 2; // in both halves, after the next line
    third = third >> segment_words([](int i) { return group(Q, A, i) / 8 * 4; });
    third = third << (code_shift(group(Q, A, 0)) + 2 - kBit);
    x[0] =
        (pairs & (0x03030303u << code_shift(group(Q, A, 0)))) | (third & (0x04040404u << code_shift(group(Q, A, 0))));
  }

  template <int Q> static void scales(const uint8_t *p, VF &s, VF &) {
    const auto packed = load_as<U4>(p + Q3_K::kScalesAt - 4); // words 1 to 3 are the twelve bytes
    const U4 low = __builtin_shufflevector(packed, packed, 1, 2, 1, 2) >> U4{0, 0, 4, 4} & 0x0f0f0f0fu;
    const U4 high = (__builtin_shufflevector(packed, packed, 3, 3, 3, 3) >> U4{0, 2, 4, 6} & 0x03030303u) << 4;
    VF d, rest;
    two_halves(p + Q3_K::kHalvesAt - 2, rest, d);
    s = to_floats(spread<Q, uint8_t>((B16)(low | high)) - 32) * d;
  }
};

template <> struct Codes<Q6_K> : PlainPlaces {
  template <int Q, int A> static void unpack(const uint8_t *p, VU (&x)[1]) {
    const VU lower = segments(p + Q6_K::kCodesAt, [](int i) {
      const int g = group_at(Q, A, i);
      return g / 8 * 64 + g % 4 * 16;
    });
    const VU upper = segments(p + Q6_K::kUpperAt, [](int i) { return pairs_at(group_at(Q, A, i)); });
    const VU low = shift_segments(lower, [](int i) { return group_at(Q, A, i) % 8 / 4 * -4; });
    const VU high = shift_segments(upper, [](int i) { return 4 - pair_shift(group_at(Q, A, i)); });
    x[0] = (low & 0x0f0f0f0fu) | (high & 0x30303030u);
  }

  template <int Q> static void scales(const uint8_t *p, VF &s, VF &) {
    s = to_floats(spread_bytes<Q * W, int8_t>(load_as<B16>(p + Q6_K::kScalesAt))) * set1(half_at(p + Q6_K::kHalvesAt));
  }
};

template <aios_dtype Dtype, int Bits> struct Codes<K45<Dtype, Bits>> : PlainPlaces {
  using Format = K45<Dtype, Bits>;
  static constexpr float kOffsetSign = -1.0f;

  template <int Q, int A> static void unpack(const uint8_t *p, VU (&x)[2]) {
    constexpr auto block = [](int i) { return group_at(Q, A, i) / 8 * Format::kBytes; };
    constexpr auto halves = [block](int i) { return block(i) + group_at(Q, A, i) % 8 / 2 * 32; };
    unrolled<2>([&](auto j) __attribute__((AIOS_ALWAYS_INLINE)) {
      const VU both = segments(p + Format::kCodesAt + 16 * j, halves);
      x[j] = shift_segments(both, [](int i) { return group_at(Q, A, i) % 2 * -4; }) & 0x0f0f0f0fu;
      if constexpr (Format::kFifth) {
        const VU fifth = segments(p + Format::kFifthAt + 16 * j, block);
        x[j] |= shift_segments(fifth, [](int i) { return 4 - group_at(Q, A, i) % 8; }) & 0x10101010u;
      }
    });
  }

  template <int Q> static void scales(const uint8_t *p, VF &s, VF &m) {
    // Scales 0-3, minima 0-3, scales 4-7, minima 4-7 of a block.
    const auto unpacked = [](const uint8_t *block) __attribute__((AIOS_ALWAYS_INLINE)) {
      const auto x = load_as<U4>(block + Format::kScalesAt - 4); // words 1 to 3 are the twelve bytes
      const U4 low = __builtin_shufflevector(x, x, 1, 2, 3, 3) >> U4{0, 0, 0, 4};
      const U4 upper = __builtin_shufflevector(x, x, 1, 2, 1, 2) >> 2;
      return (low & U4{0x3f3f3f3f, 0x3f3f3f3f, 0x0f0f0f0f, 0x0f0f0f0f}) | (upper & U4{0, 0, 0x30303030, 0x30303030});
    };
    const U4 a = unpacked(p), b = W == 16 ? unpacked(p + Format::kBytes) : a;
    const U4 scales = __builtin_shufflevector(a, b, 0, 2, 4, 6), mins = __builtin_shufflevector(a, b, 1, 3, 5, 7);
    // With sixteen lanes there are two blocks; group_of_lane gives the second one every other pair of lanes.
    const uint8_t *second = p + (W == 16 ? Format::kBytes : 0);
    VF d, dmin;
    repeat_halves(p, second, d, dmin);
    s = to_floats(spread_bytes<Q * W % 8, uint8_t>((B16)scales)) * d;
    m = to_floats(spread_bytes<Q * W % 8, uint8_t>((B16)mins)) * dmin;
  }
};

} // namespace aios::AIOS_ISA

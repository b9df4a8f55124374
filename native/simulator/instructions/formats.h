// The number formats of the tensor cores: conversions from and to binary32.
#pragma once

#include <bit>
#include <cstdint>

namespace aios::sim {

/// A binary format with `E` exponent and `M` mantissa bits, IEEE's special values, and rounding to nearest even.
template <int E, int M> struct Ieee {
  static constexpr int kBias = (1 << (E - 1)) - 1;
  static constexpr uint32_t kInfinity = ((1u << E) - 1) << M;

  static constexpr float decode(uint32_t bits) {
    uint32_t sign = bits >> (E + M) & 1, exponent = bits >> M & ((1u << E) - 1), mantissa = bits & ((1u << M) - 1);
    float magnitude;
    if (exponent == (1u << E) - 1)
      magnitude = std::bit_cast<float>(0x7F800000u | mantissa << (23 - M));
    else if (exponent == 0 && E < 8)
      magnitude = static_cast<float>(mantissa) * power(1 - kBias - M);
    else
      magnitude = std::bit_cast<float>(E == 8 ? (exponent << M | mantissa) << (23 - M)
                                              : (exponent + 127 - kBias) << 23 | mantissa << (23 - M));
    return sign != 0 ? -magnitude : magnitude;
  }

  /// Values beyond the largest finite one become infinite. A NaN becomes `nan`.
  static constexpr uint32_t encode(float value, uint32_t nan = (1u << (E + M)) - 1) {
    uint32_t bits = std::bit_cast<uint32_t>(value), sign = bits >> 31 << (E + M);
    bits &= 0x7FFFFFFFu;
    if (bits > 0x7F800000u)
      return nan;
    uint32_t magnitude = round(bits);
    return sign | (magnitude > kInfinity ? kInfinity : magnitude);
  }

  static constexpr float power(int exponent) {
    return std::bit_cast<float>(static_cast<uint32_t>(exponent + 127) << 23);
  }

  /// The format's bits of a positive finite or infinite binary32, with an exponent that may be too large for it.
  static constexpr uint32_t round(uint32_t bits) {
    constexpr int shift = 23 - M;
    if constexpr (E < 8) {
      auto exponent = static_cast<int>(bits >> 23);
      if (exponent == 255)
        return kInfinity;
      if (exponent <= 127 - kBias) { // a subnormal number of the format
        int drop = shift + 128 - kBias - exponent;
        if (drop > 25)
          return 0;
        return shifted((bits & 0x7FFFFFu) | (exponent != 0 ? 0x800000u : 0), drop);
      }
      bits -= static_cast<uint32_t>(127 - kBias) << 23;
    }
    return shifted(bits, shift);
  }

  static constexpr uint32_t shifted(uint32_t value, int drop) {
    if (drop == 0)
      return value;
    uint32_t half = 1u << (drop - 1), rest = value & ((1u << drop) - 1), kept = value >> drop;
    return kept + (rest > half || (rest == half && (kept & 1) != 0) ? 1 : 0);
  }
};

using Bf16 = Ieee<8, 7>;
using F16 = Ieee<5, 10>;

/// 8 bits with a 5-bit exponent; conversion saturates (PTX: .satfinite).
struct E5m2 {
  static constexpr float decode(uint32_t bits) { return Ieee<5, 2>::decode(bits); }
  static constexpr uint32_t encode(float value) {
    uint32_t bits = Ieee<5, 2>::encode(value, 0x7F);
    return (bits & 0x7F) == 0x7C ? (bits & 0x80) | 0x7B : bits;
  }
};

/// 8 bits with a 4-bit exponent, no infinity, 448 as the largest value; conversion saturates (PTX: .satfinite).
struct E4m3 {
  static constexpr float decode(uint32_t bits) {
    if ((bits & 0x7F) == 0x7F)
      return std::bit_cast<float>(0x7FFFFFFFu);
    float magnitude =
        (bits & 0x78) == 0x78 ? 256.0f + 32.0f * static_cast<float>(bits & 7) : Ieee<4, 3>::decode(bits & 0x7F);
    return (bits & 0x80) != 0 ? -magnitude : magnitude;
  }
  static constexpr uint32_t encode(float value) {
    uint32_t bits = std::bit_cast<uint32_t>(value), sign = bits >> 31 << 7;
    bits &= 0x7FFFFFFFu;
    if (bits > 0x7F800000u)
      return 0x7F;
    uint32_t magnitude = Ieee<4, 3>::round(bits);
    return sign | (magnitude > 0x7E || bits == 0x7F800000u ? 0x7E : magnitude);
  }
};

/// binary32 with 10 mantissa bits, kept in 32 bits.
struct Tf32 {
  /// What a tensor core reads: the low bits do not count.
  static constexpr float decode(uint32_t bits) { return std::bit_cast<float>(bits & 0xFFFFE000u); }
  /// cvt.rna: to nearest, ties away from zero.
  static constexpr uint32_t encode(float value) {
    uint32_t bits = std::bit_cast<uint32_t>(value);
    if ((bits & 0x7FFFFFFFu) > 0x7F800000u)
      return 0x7FFFFFFFu;
    return (bits + 0x1000u) & 0xFFFFE000u;
  }
};

} // namespace aios::sim

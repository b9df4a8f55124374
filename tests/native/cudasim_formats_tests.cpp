// Every value of every small format, and every rounding boundary between two of them, against their definition.
#include <cmath>
#include <gtest/gtest.h>
#include <limits>

#include "native/simulator/instructions/formats.h"

using namespace aios::sim;

namespace {

/// The definition of a format with E exponent and M mantissa bits: ±2^(e - bias)·(1 + m/2^M), without special values.
float defined(uint32_t bits, int exponent_bits, int mantissa_bits) {
  int exponent = static_cast<int>(bits >> mantissa_bits & ((1u << exponent_bits) - 1));
  int bias = (1 << (exponent_bits - 1)) - 1;
  double fraction = std::ldexp(static_cast<double>(bits & ((1u << mantissa_bits) - 1)), -mantissa_bits);
  double value = exponent == 0 ? std::ldexp(fraction, 1 - bias) : std::ldexp(1 + fraction, exponent - bias);
  return static_cast<float>(bits >> (exponent_bits + mantissa_bits) & 1 ? -value : value);
}

/// Positive finite values are [0, finite]; every one is itself, and between neighbours the nearer wins, the even one
/// when neither is nearer.
template <class Format> void check_finite(int exponent_bits, int mantissa_bits, uint32_t finite) {
  uint32_t sign = 1u << (exponent_bits + mantissa_bits);
  for (uint32_t bits = 0; bits <= finite; ++bits) {
    float value = Format::decode(bits);
    ASSERT_EQ(value, defined(bits, exponent_bits, mantissa_bits)) << bits;
    ASSERT_EQ(Format::encode(value), bits);
    ASSERT_EQ(Format::encode(-value), bits | sign);
    if (bits == finite)
      continue;
    float next = Format::decode(bits + 1), middle = static_cast<float>((static_cast<double>(value) + next) / 2);
    uint32_t even = bits % 2 == 0 ? bits : bits + 1;
    ASSERT_EQ(Format::encode(middle), even) << bits;
    ASSERT_EQ(Format::encode(std::nextafter(middle, 0.0f)), bits) << bits;
    ASSERT_EQ(Format::encode(std::nextafter(middle, next)), bits + 1) << bits;
    ASSERT_EQ(Format::encode(-middle), even | sign) << bits;
  }
}

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

TEST(Formats, Bf16) {
  check_finite<Bf16>(8, 7, 0x7F7F);
  EXPECT_EQ(Bf16::encode(kInfinity), 0x7F80u);
  EXPECT_EQ(Bf16::encode(std::numeric_limits<float>::max()), 0x7F80u);
  EXPECT_EQ(Bf16::decode(0xFF80), -kInfinity);
  for (uint32_t nan = 0x7F81; nan <= 0x7FFF; ++nan)
    EXPECT_TRUE(std::isnan(Bf16::decode(nan)));
  EXPECT_EQ(Bf16::encode(kNan), 0x7FFFu);
}

TEST(Formats, F16) {
  check_finite<F16>(5, 10, 0x7BFF);
  EXPECT_EQ(F16::encode(65519.0f), 0x7BFFu);
  EXPECT_EQ(F16::encode(65520.0f), 0x7C00u);
  EXPECT_EQ(F16::encode(-kInfinity), 0xFC00u);
  EXPECT_EQ(F16::encode(1e-30f), 0u);
  for (uint32_t nan = 0x7C01; nan <= 0x7FFF; ++nan)
    EXPECT_TRUE(std::isnan(F16::decode(nan)));
  EXPECT_EQ(F16::encode(kNan), 0x7FFFu);
}

TEST(Formats, E5m2) {
  check_finite<E5m2>(5, 2, 0x7B);
  EXPECT_EQ(E5m2::encode(kInfinity), 0x7Bu) << "conversion saturates";
  EXPECT_EQ(E5m2::encode(-1e9f), 0xFBu);
  EXPECT_EQ(E5m2::decode(0x7C), kInfinity);
  EXPECT_TRUE(std::isnan(E5m2::decode(E5m2::encode(kNan))));
}

TEST(Formats, E4m3) {
  check_finite<E4m3>(4, 3, 0x7E);
  EXPECT_EQ(E4m3::decode(0x7E), 448.0f);
  EXPECT_EQ(E4m3::encode(464.0f), 0x7Eu) << "conversion saturates";
  EXPECT_EQ(E4m3::encode(-kInfinity), 0xFEu);
  EXPECT_TRUE(std::isnan(E4m3::decode(0x7F)));
  EXPECT_TRUE(std::isnan(E4m3::decode(0xFF)));
  EXPECT_EQ(E4m3::encode(kNan), 0x7Fu);
}

TEST(Formats, Tf32RoundsTiesAway) {
  for (uint32_t high = 0x3F800000u; high < 0x3F900000u; high += 0x2000u)
    for (uint32_t low : {0u, 1u, 0xFFFu, 0x1000u, 0x1001u, 0x1FFFu}) {
      float value = std::bit_cast<float>(high | low);
      EXPECT_EQ(Tf32::encode(value), high + (low >= 0x1000u ? 0x2000u : 0u));
      EXPECT_EQ(Tf32::encode(-value), Tf32::encode(value) | 0x80000000u);
      EXPECT_EQ(Tf32::decode(high | low), std::bit_cast<float>(high)) << "a tensor core ignores the low bits";
    }
  EXPECT_TRUE(std::isnan(std::bit_cast<float>(Tf32::encode(kNan))));
}

} // namespace

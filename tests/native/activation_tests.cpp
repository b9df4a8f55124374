// aios_swiglu, aios_dropout, aios_rope and aios_cast.
#include <algorithm>

#include "kernel_test.h"

using namespace kernel_test;

namespace {

template <class T> class ActivationTest : public testing::Test {};
TYPED_TEST_SUITE(ActivationTest, FloatTypes);

TYPED_TEST(ActivationTest, SwigluMatchesTheFormula) {
  Stream s;
  Random random(17);
  const aios_dtype dtype = Type<TypeParam>::dtype;
  std::vector<int64_t> sizes = ragged_sizes();
  sizes.push_back(20000);
  for (const int64_t cols : sizes) {
    const int64_t rows = 3;
    const auto a = random.buffer<TypeParam>(rows * 2 * cols, -5, 5), dout = random.buffer<TypeParam>(rows * cols);
    Buffer<TypeParam> out(rows * cols), da(rows * 2 * cols);
    s.run(aios_swiglu(s, out.data(), a.data(), rows, cols, dtype));
    s.run(aios_swiglu_backward(s, da.data(), dout.data(), a.data(), rows, cols, dtype));
    for (int64_t r = 0; r < rows; r++)
      for (int64_t i = 0; i < cols; i++) {
        const double g = a[r * 2 * cols + i], u = a[r * 2 * cols + cols + i], d = dout[r * cols + i];
        const double sigma = 1 / (1 + std::exp(-g));
        expect_close(out[r * cols + i], g * sigma * u, 12);
        expect_close(da[r * 2 * cols + i], d * u * (sigma + g * sigma * (1 - sigma)), 12, 10);
        expect_close(da[r * 2 * cols + cols + i], d * g * sigma, 12);
      }
    if (this->HasFailure())
      return;
  }
}

/// Philox4x32-10 as its paper writes it, one counter at a time.
std::vector<uint32_t> philox(uint64_t counter, uint64_t offset, uint64_t seed) {
  std::vector<uint32_t> c = {static_cast<uint32_t>(counter), static_cast<uint32_t>(counter >> 32),
                             static_cast<uint32_t>(offset), static_cast<uint32_t>(offset >> 32)};
  uint32_t k0 = static_cast<uint32_t>(seed), k1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < 10; round++) {
    const uint64_t p0 = uint64_t{0xD2511F53} * c[0], p1 = uint64_t{0xCD9E8D57} * c[2];
    c = {static_cast<uint32_t>(p1 >> 32) ^ c[1] ^ k0, static_cast<uint32_t>(p1),
         static_cast<uint32_t>(p0 >> 32) ^ c[3] ^ k1, static_cast<uint32_t>(p0)};
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return c;
}

TEST(Philox, ReferenceGivesThePublishedNumbers) {
  // Known answers of Random123 for counter and key of zeros and of ones.
  EXPECT_EQ(philox(0, 0, 0), (std::vector<uint32_t>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox(~0ull, ~0ull, ~0ull), (std::vector<uint32_t>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
}

TYPED_TEST(ActivationTest, DropoutFollowsPhilox) {
  Stream s;
  Random random(19);
  const uint64_t seed = 0x0123456789abcdefu, offset = 0xfedcba9876543210u;
  std::vector<int64_t> sizes = ragged_sizes();
  sizes.push_back(50001);
  for (const int64_t n : sizes)
    for (const float probability : {0.0f, 0.25f, 0.9f}) {
      const auto a = random.buffer<TypeParam>(n, 1, 2);
      Buffer<TypeParam> out(n), in_place = a;
      s.run(aios_dropout(s, out.data(), a.data(), n, probability, seed, offset, Type<TypeParam>::dtype));
      s.run(aios_dropout(s, in_place.data(), in_place.data(), n, probability, seed, offset, Type<TypeParam>::dtype));
      EXPECT_TRUE(in_place.same_bits(out));
      for (int64_t i = 0; i < n; i++) {
        const uint32_t w = philox(static_cast<uint64_t>(i / 4), offset, seed)[static_cast<size_t>(i % 4)];
        const bool drop = (w >> 8) * 0x1p-24 < probability;
        expect_close(out[i], drop ? 0.0 : a[i] / (1.0 - static_cast<double>(probability)), 3);
        EXPECT_EQ(static_cast<double>(out[i]) == 0.0, drop);
      }
      if (this->HasFailure())
        return;
    }
  expect_refused(aios_dropout(s, nullptr, nullptr, 0, 1.0f, 0, 0, AIOS_DTYPE_F32), AIOS_STATUS_INVALID_ARGUMENT,
                 "aios_dropout: probability must be >= 0 and < 1, got 1");
}

TYPED_TEST(ActivationTest, RopeMatchesTheFormulaAndItsInverse) {
  Stream s;
  Random random(23);
  const aios_dtype dtype = Type<TypeParam>::dtype;
  for (const int64_t head_dim : {0, 2, 6, 16, 30, 32, 34, 64, 128, 130, 256})
    for (const int32_t interleaved : {0, 1})
      for (const bool table : {false, true}) {
        SCOPED_TRACE(testing::Message() << head_dim << ' ' << interleaved << ' ' << table);
        const int64_t batch = 2, length = 9, heads = 3, n = batch * length * heads * head_dim;
        Buffer<int32_t> positions(length);
        for (int64_t t = 0; t < length; t++)
          positions[t] = table ? static_cast<int32_t>(random.below(1 << 20)) : static_cast<int32_t>(t);
        const int32_t *p = table ? positions.data() : nullptr;
        const auto x = random.buffer<TypeParam>(n);
        Buffer<TypeParam> out(n), back = x;
        s.run(aios_rope(s, out.data(), x.data(), p, batch, length, heads, head_dim, 10000.0f, interleaved, 0, dtype));
        s.run(
            aios_rope(s, back.data(), back.data(), p, batch, length, heads, head_dim, 10000.0f, interleaved, 0, dtype));
        EXPECT_TRUE(back.same_bits(out));
        s.run(
            aios_rope(s, back.data(), back.data(), p, batch, length, heads, head_dim, 10000.0f, interleaved, 1, dtype));
        for (int64_t row = 0; row < batch * length * heads; row++)
          for (int64_t pair = 0; pair < head_dim / 2; pair++) {
            const double angle = positions[row / heads % length] *
                                 std::pow(10000.0, -2.0 * static_cast<double>(pair) / static_cast<double>(head_dim));
            const int64_t i = row * head_dim + (interleaved ? 2 * pair : pair);
            const int64_t j = interleaved ? i + 1 : i + head_dim / 2;
            const double u = x[i], v = x[j];
            expect_close(out[i], u * std::cos(angle) - v * std::sin(angle), 4, 2);
            expect_close(out[j], u * std::sin(angle) + v * std::cos(angle), 4, 2);
            // Rounded in between.
            const double units = 8 + 2 * Type<TypeParam>::rounding * 0x1p24;
            expect_close(back[i], u, units, 2);
            expect_close(back[j], v, units, 2);
          }
        if (this->HasFailure())
          return;
      }
  expect_refused(aios_rope(s, nullptr, nullptr, nullptr, 1, 1, 1, 3, 1e4f, 0, 0, AIOS_DTYPE_F32),
                 AIOS_STATUS_INVALID_ARGUMENT, "aios_rope: head_dim must be even, got 3");
}

/// The value of a binary16.
double half_value(uint16_t h) {
  const int exponent = h >> 10 & 31, fraction = h & 1023;
  const double magnitude = exponent == 31  ? (fraction ? NAN : INFINITY)
                           : exponent == 0 ? std::ldexp(fraction, -24)
                                           : std::ldexp(1024 + fraction, exponent - 25);
  return h & 0x8000 ? -magnitude : magnitude;
}

TEST(Cast, EveryHalfSurvivesTheWayThereAndBack) {
  Stream s;
  Buffer<uint16_t> all(65536), back(65536);
  for (int64_t i = 0; i < 65536; i++)
    all[i] = static_cast<uint16_t>(i);
  Buffer<float> wide(65536);
  for (const aios_dtype dtype : {AIOS_DTYPE_F16, AIOS_DTYPE_BF16}) {
    s.run(aios_cast(s, wide.data(), all.data(), 65536, AIOS_DTYPE_F32, dtype));
    s.run(aios_cast(s, back.data(), wide.data(), 65536, dtype, AIOS_DTYPE_F32));
    for (int64_t i = 0; i < 65536; i++) {
      Bf16 b;
      b.bits = all[i];
      const double value = dtype == AIOS_DTYPE_F16 ? half_value(all[i]) : static_cast<double>(b);
      if (std::isnan(value)) {
        EXPECT_TRUE(std::isnan(wide[i]));
        EXPECT_EQ(back[i] & 0x7fff, (all[i] & 0x7fff) | (dtype == AIOS_DTYPE_F16 ? 0x200 : 0x40));
      } else {
        EXPECT_EQ(wide[i], static_cast<float>(value));
        EXPECT_EQ(back[i], all[i]);
      }
    }
  }
}

TEST(Cast, RoundsToTheNearestAndTiesToEven) {
  Stream s;
  // Between and around neighbours of both types: halves of the gap, a hair more, a hair less.
  std::vector<float> list = {65504.0f, 65519.0f, 65520.0f, 1e6f, 5.9604645e-8f, 2.9802322e-8f, 2.9802326e-8f, 1e-9f};
  for (int exponent = -26; exponent < 16; exponent++)
    for (int k = 0; k < 64; k++)
      for (const double hair : {-0x1p-20, 0.0, 0x1p-20})
        list.push_back(static_cast<float>(std::ldexp(1 + k * 0x1p-11 + k * 0x1p-8 + hair, exponent)));
  const int64_t n = static_cast<int64_t>(list.size());
  Buffer<float> a(n);
  std::memcpy(a.data(), list.data(), a.bytes());
  std::vector<double> values; // of the codes from 0 on; that of infinity is what the next number would be
  for (uint16_t code = 0; code <= 0x7c00; code++)
    values.push_back(code == 0x7c00 ? 65536.0 : half_value(code));
  Buffer<uint16_t> half(n), brain(n);
  s.run(aios_cast(s, half.data(), a.data(), n, AIOS_DTYPE_F16, AIOS_DTYPE_F32));
  s.run(aios_cast(s, brain.data(), a.data(), n, AIOS_DTYPE_BF16, AIOS_DTYPE_F32));
  for (int64_t i = 0; i < n; i++) {
    EXPECT_EQ(brain[i], Bf16(static_cast<double>(a[i])).bits);
    const double x = std::min(static_cast<double>(a[i]), values.back());
    const auto above = std::lower_bound(values.begin(), values.end(), x) - values.begin(), below = above - (above > 0);
    const double up = values[above] - x, down = x - values[below];
    EXPECT_EQ(half[i], up < down || (up == down && above % 2 == 0) ? above : below) << a[i];
    if (testing::Test::HasFailure())
      return;
  }
}

TEST(Cast, RaggedSizesBetweenAllTypes) {
  Stream s;
  const aios_dtype types[] = {AIOS_DTYPE_F32, AIOS_DTYPE_F16, AIOS_DTYPE_BF16};
  for (const int64_t n : ragged_sizes())
    for (const aios_dtype from : types)
      for (const aios_dtype to : types) {
        // Small integers have the same value in all three types.
        const Buffer<float> values = Random(31).integers<float>(n, 100);
        const auto bytes = [&](aios_dtype t) { return n * (t == AIOS_DTYPE_F32 ? 4 : 2); };
        Buffer<char> a(bytes(from)), out(bytes(to));
        Buffer<float> back(n);
        s.run(aios_cast(s, a.data(), values.data(), n, from, AIOS_DTYPE_F32));
        s.run(aios_cast(s, out.data(), a.data(), n, to, from));
        s.run(aios_cast(s, back.data(), out.data(), n, AIOS_DTYPE_F32, to));
        EXPECT_TRUE(back.same_bits(values));
      }
  expect_refused(aios_cast(s, nullptr, nullptr, 0, AIOS_DTYPE_I32, AIOS_DTYPE_F32), AIOS_STATUS_UNIMPLEMENTED,
                 "aios_cast: out_dtype 3 is not a floating-point type");
}

} // namespace

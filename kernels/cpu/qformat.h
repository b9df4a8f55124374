// The formats of quantised weights, as their bytes say: what quantize.cpp and dot/qmatmul.cpp share.
//
// A block format is a type with
//   kDtype, kBlock, kBytes   its constant, weights and bytes of a block
//   kSub                     weights that share a scale
//   kZero                    what is taken off every code
//   kMins                    whether an offset is added
//   decode(block, to)        codes, which are unsigned bytes, scales and offsets: w = scale * (code - kZero) + offset
//   encode(block, from)      the inverse, from codes and integer scales
#pragma once

#include "loops.h"

namespace aios::AIOS_ISA {

constexpr int kMaxBlock = 256;
constexpr int kMaxSubs = 16;

/// A block taken apart. The offsets of a format without them are not written.
struct Decoded {
  uint8_t code[kMaxBlock];
  float scale[kMaxSubs], offset[kMaxSubs];
};

/// A block to be put together. `scale` and `min` are the integers of the K formats, whose weights are
/// d scale (code - kZero) - m min; the others use d and m alone: d (code - kZero) + m.
struct Quantised {
  uint8_t code[kMaxBlock];
  int scale[kMaxSubs], min[kMaxSubs];
  float d, m;
};

AIOS_INLINE float half_at(const uint8_t *p) {
  uint16_t bits;
  memcpy(&bits, p, sizeof bits);
#if defined(__F16C__)
  return _cvtsh_ss(bits);
#endif
  // A power of two moves the exponent's bias; subnormal numbers come out right by the same product.
  const uint32_t magnitude = static_cast<uint32_t>(bits & 0x7fff) << 13;
  const float value = (bits & 0x7c00) == 0x7c00 ? float_of(magnitude | 0x7f800000u) : float_of(magnitude) * 0x1p112f;
  return bits & 0x8000 ? -value : value;
}

/// Rounds a finite number to binary16, to nearest even and not beyond its greatest number.
AIOS_INLINE uint16_t half_of(float x) {
  const uint32_t u = bits_of(x), sign = u >> 16 & 0x8000u, magnitude = u & 0x7fffffffu;
  uint32_t half;
  if (magnitude < 0x38800000u) // subnormal: adding 0.5 rounds to multiples of 2^-24
    half = bits_of(float_of(magnitude) + 0.5f) - 0x3f000000u;
  else
    half = (magnitude + 0xfffu + (magnitude >> 13 & 1u) - 0x38000000u) >> 13;
  return static_cast<uint16_t>(sign | (half > 0x7bffu ? 0x7bffu : half));
}

AIOS_INLINE void store_half(uint8_t *p, float x) {
  const uint16_t bits = half_of(x);
  memcpy(p, &bits, sizeof bits);
}

/// The low halves of 16 bytes, then the high ones.
AIOS_INLINE void split_nibbles(const uint8_t *p, uint8_t *to) {
  typedef uint8_t Bytes __attribute__((vector_size(16)));
  Bytes both;
  memcpy(&both, p, sizeof both);
  const Bytes low = both & 15, high = both >> 4;
  memcpy(to, &low, sizeof low);
  memcpy(to + 16, &high, sizeof high);
}

/// 32 weights of 4 or 5 bits: d, perhaps m, perhaps the fifth bits, then the lower four bits.
template <aios_dtype Dtype, int Bits, bool Mins> struct Nibbles {
  static constexpr aios_dtype kDtype = Dtype;
  static constexpr bool kMins = Mins, kFifth = Bits == 5;
  static constexpr int kFifthAt = Mins ? 4 : 2, kCodesAt = kFifthAt + (kFifth ? 4 : 0);
  static constexpr int kBlock = 32, kBytes = kCodesAt + 16, kSub = 32, kZero = Mins ? 0 : 1 << (Bits - 1);
  static constexpr int kLow = -kZero, kHigh = (1 << Bits) - 1 - kZero;

  static void decode(const uint8_t *p, Decoded &to) {
    split_nibbles(p + kCodesAt, to.code);
    if constexpr (kFifth)
      for (int i = 0; i < 4; i++) {
        // Eight bits to eight bytes: each byte keeps one bit of its copy, which is then moved to bit 4.
        const uint64_t bits = p[kFifthAt + i] * 0x0101010101010101u & 0x8040201008040201u;
        const uint64_t fifth = ((bits + 0x7f7f7f7f7f7f7f7fu) & 0x8080808080808080u) >> 3;
        uint64_t codes;
        memcpy(&codes, to.code + 8 * i, sizeof codes);
        codes |= fifth;
        memcpy(to.code + 8 * i, &codes, sizeof codes);
      }
    to.scale[0] = half_at(p);
    if constexpr (Mins)
      to.offset[0] = half_at(p + 2);
  }

  static void encode(uint8_t *p, const Quantised &from) {
    store_half(p, from.d);
    if constexpr (Mins)
      store_half(p + 2, from.m);
    uint32_t fifth = 0;
    for (int i = 0; i < 32; i++)
      fifth |= static_cast<uint32_t>(from.code[i] >> 4) << i;
    if constexpr (kFifth)
      memcpy(p + kFifthAt, &fifth, sizeof fifth);
    for (int i = 0; i < 16; i++)
      p[kCodesAt + i] = static_cast<uint8_t>((from.code[i] & 15) | from.code[16 + i] << 4);
  }
};

using Q4_0 = Nibbles<AIOS_DTYPE_Q4_0, 4, false>;
using Q4_1 = Nibbles<AIOS_DTYPE_Q4_1, 4, true>;
using Q5_0 = Nibbles<AIOS_DTYPE_Q5_0, 5, false>;
using Q5_1 = Nibbles<AIOS_DTYPE_Q5_1, 5, true>;

/// 32 signed bytes.
struct Q8_0 {
  static constexpr aios_dtype kDtype = AIOS_DTYPE_Q8_0;
  static constexpr bool kMins = false;
  static constexpr int kCodesAt = 2, kBlock = 32, kBytes = 34, kSub = 32, kZero = 128;

  static void decode(const uint8_t *p, Decoded &to) {
    for (int i = 0; i < 32; i++)
      to.code[i] = p[kCodesAt + i] ^ 0x80;
    to.scale[0] = half_at(p);
  }

  static void encode(uint8_t *p, const Quantised &from) {
    store_half(p, from.d);
    for (int i = 0; i < 32; i++)
      p[kCodesAt + i] = from.code[i] ^ 0x80;
  }
};

/// 32 weights of 4 bits that name an entry of a table. The code is the entry + 128.
struct IQ4_NL {
  static constexpr aios_dtype kDtype = AIOS_DTYPE_IQ4_NL;
  static constexpr bool kMins = false;
  static constexpr int kCodesAt = 2, kBlock = 32, kBytes = 18, kSub = 32, kZero = 128;
  static constexpr uint8_t kTable[16] = {1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241};

  static void decode(const uint8_t *p, Decoded &to) {
    split_nibbles(p + kCodesAt, to.code);
    for (int i = 0; i < 32; i++)
      to.code[i] = kTable[to.code[i]];
    to.scale[0] = half_at(p);
  }

  /// Here `from.code` holds the indices into the table.
  static void encode(uint8_t *p, const Quantised &from) {
    store_half(p, from.d);
    for (int i = 0; i < 16; i++)
      p[kCodesAt + i] = static_cast<uint8_t>(from.code[i] | from.code[16 + i] << 4);
  }
};

/// 256 weights of 2 bits in 16 groups with 4-bit scales and minima.
struct Q2_K {
  static constexpr aios_dtype kDtype = AIOS_DTYPE_Q2_K;
  static constexpr bool kMins = true;
  static constexpr int kScalesAt = 0, kCodesAt = 16, kHalvesAt = 80;
  static constexpr int kBlock = 256, kBytes = 84, kSub = 16, kZero = 0, kMaxCode = 3, kMaxScale = 15;

  static void decode_codes(const uint8_t *p, Decoded &to) {
    for (int h = 0; h < 2; h++)
      for (int j = 0; j < 4; j++)
        for (int i = 0; i < 32; i++)
          to.code[128 * h + 32 * j + i] = p[kCodesAt + 32 * h + i] >> (2 * j) & 3;
  }

  static void decode_offsets(const uint8_t *p, Decoded &to) {
    const float m = half_at(p + kHalvesAt + 2);
    for (int g = 0; g < 16; g++)
      to.offset[g] = -m * static_cast<float>(p[kScalesAt + g] >> 4);
  }

  static void decode(const uint8_t *p, Decoded &to) {
    decode_codes(p, to);
    decode_offsets(p, to);
    const float d = half_at(p + kHalvesAt);
    for (int g = 0; g < 16; g++)
      to.scale[g] = d * static_cast<float>(scale_at(p, g));
  }

  /// The integer scale of a group.
  static int scale_at(const uint8_t *p, int g) { return p[kScalesAt + g] & 15; }

  static void encode(uint8_t *p, const Quantised &from) {
    for (int h = 0; h < 2; h++)
      for (int i = 0; i < 32; i++) {
        const uint8_t *code = from.code + 128 * h + i;
        p[kCodesAt + 32 * h + i] = static_cast<uint8_t>(code[0] | code[32] << 2 | code[64] << 4 | code[96] << 6);
      }
    for (int g = 0; g < 16; g++)
      p[kScalesAt + g] = static_cast<uint8_t>(from.scale[g] | from.min[g] << 4);
    store_half(p + kHalvesAt, from.d);
    store_half(p + kHalvesAt + 2, from.m);
  }
};

/// 256 weights of 3 bits in 16 groups with 6-bit scales, which stand for -32 .. 31.
struct Q3_K {
  static constexpr aios_dtype kDtype = AIOS_DTYPE_Q3_K;
  static constexpr bool kMins = false;
  static constexpr int kThirdAt = 0, kCodesAt = 32, kScalesAt = 96, kHalvesAt = 108;
  static constexpr int kBlock = 256, kBytes = 110, kSub = 16, kZero = 4, kLow = -4, kHigh = 3;
  static constexpr int kLowScale = -32, kHighScale = 31;

  static void decode_codes(const uint8_t *p, Decoded &to) {
    for (int h = 0; h < 2; h++)
      for (int j = 0; j < 4; j++)
        for (int i = 0; i < 32; i++)
          to.code[128 * h + 32 * j + i] = static_cast<uint8_t>((p[kCodesAt + 32 * h + i] >> (2 * j) & 3) |
                                                               (p[kThirdAt + i] >> (4 * h + j) & 1) << 2);
  }

  static void decode(const uint8_t *p, Decoded &to) {
    decode_codes(p, to);
    const float d = half_at(p + kHalvesAt);
    for (int g = 0; g < 16; g++)
      to.scale[g] = d * static_cast<float>(scale_at(p, g));
  }

  /// The integer scale of a group.
  static int scale_at(const uint8_t *p, int g) {
    const uint8_t *s = p + kScalesAt;
    return ((s[g % 8] >> (g / 8 * 4) & 15) | (s[8 + g % 4] >> (g / 4 * 2) & 3) << 4) - 32;
  }

  static void encode(uint8_t *p, const Quantised &from) {
    memset(p, 0, kBytes);
    for (int h = 0; h < 2; h++)
      for (int j = 0; j < 4; j++)
        for (int i = 0; i < 32; i++) {
          const int code = from.code[128 * h + 32 * j + i];
          p[kCodesAt + 32 * h + i] |= static_cast<uint8_t>((code & 3) << (2 * j));
          p[kThirdAt + i] |= static_cast<uint8_t>(code >> 2 << (4 * h + j));
        }
    for (int g = 0; g < 16; g++) {
      const int scale = from.scale[g] + 32;
      p[kScalesAt + g % 8] |= static_cast<uint8_t>((scale & 15) << (g / 8 * 4));
      p[kScalesAt + 8 + g % 4] |= static_cast<uint8_t>(scale >> 4 << (g / 4 * 2));
    }
    store_half(p + kHalvesAt, from.d);
  }
};

/// 256 weights of 4 or 5 bits in 8 groups with 6-bit scales and minima.
template <aios_dtype Dtype, int Bits> struct K45 {
  static constexpr aios_dtype kDtype = Dtype;
  static constexpr bool kMins = true, kFifth = Bits == 5;
  static constexpr int kHalvesAt = 0, kScalesAt = 4, kFifthAt = 16, kCodesAt = kFifth ? 48 : 16;
  static constexpr int kBlock = 256, kBytes = kCodesAt + 128, kSub = 32, kZero = 0;
  static constexpr int kMaxCode = (1 << Bits) - 1, kMaxScale = 63;

  static void decode(const uint8_t *p, Decoded &to) {
    for (int h = 0; h < 4; h++)
      for (int i = 0; i < 32; i++) {
        to.code[64 * h + i] = p[kCodesAt + 32 * h + i] & 15;
        to.code[64 * h + 32 + i] = p[kCodesAt + 32 * h + i] >> 4;
      }
    if constexpr (kFifth)
      for (int g = 0; g < 8; g++)
        for (int i = 0; i < 32; i++)
          to.code[32 * g + i] |= static_cast<uint8_t>((p[kFifthAt + i] >> g & 1) << 4);
    const float d = half_at(p + kHalvesAt), m = half_at(p + kHalvesAt + 2);
    const uint8_t *s = p + kScalesAt;
    for (int g = 0; g < 8; g++) {
      const int scale = g < 4 ? s[g] & 63 : (s[g + 4] & 15) | s[g - 4] >> 6 << 4;
      const int min = g < 4 ? s[g + 4] & 63 : s[g + 4] >> 4 | s[g] >> 6 << 4;
      to.scale[g] = d * static_cast<float>(scale);
      to.offset[g] = -m * static_cast<float>(min);
    }
  }

  static void encode(uint8_t *p, const Quantised &from) {
    memset(p, 0, kBytes);
    for (int g = 0; g < 8; g++)
      for (int i = 0; i < 32; i++) {
        const int code = from.code[32 * g + i];
        p[kCodesAt + 32 * (g / 2) + i] |= static_cast<uint8_t>((code & 15) << (g % 2 * 4));
        if constexpr (kFifth)
          p[kFifthAt + i] |= static_cast<uint8_t>(code >> 4 << g);
      }
    uint8_t *s = p + kScalesAt;
    for (int g = 0; g < 4; g++) {
      s[g] = static_cast<uint8_t>(from.scale[g] | from.scale[g + 4] >> 4 << 6);
      s[g + 4] = static_cast<uint8_t>(from.min[g] | from.min[g + 4] >> 4 << 6);
      s[g + 8] = static_cast<uint8_t>((from.scale[g + 4] & 15) | from.min[g + 4] << 4);
    }
    store_half(p + kHalvesAt, from.d);
    store_half(p + kHalvesAt + 2, from.m);
  }
};

using Q4_K = K45<AIOS_DTYPE_Q4_K, 4>;
using Q5_K = K45<AIOS_DTYPE_Q5_K, 5>;

/// 256 weights of 6 bits in 16 groups with signed 8-bit scales.
struct Q6_K {
  static constexpr aios_dtype kDtype = AIOS_DTYPE_Q6_K;
  static constexpr bool kMins = false;
  static constexpr int kCodesAt = 0, kUpperAt = 128, kScalesAt = 192, kHalvesAt = 208;
  static constexpr int kBlock = 256, kBytes = 210, kSub = 16, kZero = 32, kLow = -32, kHigh = 31;
  static constexpr int kLowScale = -128, kHighScale = 127;

  static void decode(const uint8_t *p, Decoded &to) {
    for (int h = 0; h < 2; h++)
      for (int j = 0; j < 4; j++)
        for (int i = 0; i < 32; i++)
          to.code[128 * h + 32 * j + i] =
              static_cast<uint8_t>((p[kCodesAt + 64 * h + 32 * (j % 2) + i] >> (j / 2 * 4) & 15) |
                                   (p[kUpperAt + 32 * h + i] >> (2 * j) & 3) << 4);
    const float d = half_at(p + kHalvesAt);
    for (int g = 0; g < 16; g++)
      to.scale[g] = d * static_cast<float>(static_cast<int8_t>(p[kScalesAt + g]));
  }

  static void encode(uint8_t *p, const Quantised &from) {
    memset(p, 0, kBytes);
    for (int h = 0; h < 2; h++)
      for (int j = 0; j < 4; j++)
        for (int i = 0; i < 32; i++) {
          const int code = from.code[128 * h + 32 * j + i];
          p[kCodesAt + 64 * h + 32 * (j % 2) + i] |= static_cast<uint8_t>((code & 15) << (j / 2 * 4));
          p[kUpperAt + 32 * h + i] |= static_cast<uint8_t>(code >> 4 << (2 * j));
        }
    for (int g = 0; g < 16; g++)
      p[kScalesAt + g] = static_cast<uint8_t>(from.scale[g]);
    store_half(p + kHalvesAt, from.d);
  }
};

/// Calls f(Format{}) with the type of a block format; false for any other dtype.
template <class F> AIOS_INLINE bool with_block_format(aios_dtype format, const F &f) {
  switch (format) {
#define AIOS_BLOCK(name)                                                                                               \
  case AIOS_DTYPE_##name:                                                                                              \
    f(name{});                                                                                                         \
    return true;
    AIOS_BLOCK(Q8_0)
    AIOS_BLOCK(Q4_0)
    AIOS_BLOCK(Q4_1)
    AIOS_BLOCK(Q5_0)
    AIOS_BLOCK(Q5_1)
    AIOS_BLOCK(Q2_K)
    AIOS_BLOCK(Q3_K)
    AIOS_BLOCK(Q4_K)
    AIOS_BLOCK(Q5_K)
    AIOS_BLOCK(Q6_K)
    AIOS_BLOCK(IQ4_NL)
#undef AIOS_BLOCK
  default:
    return false;
  }
}

/// One float of 8 bits.
template <int Exponent> struct Float8 {
  static constexpr int kMantissa = 7 - Exponent, kBias = (1 << (Exponent - 1)) - 1;
  static constexpr float kGreatest = Exponent == 4 ? 448.0f : 57344.0f;

  static float decode(uint8_t x) {
    const uint32_t magnitude = x & 0x7f;
    float value = float_of(magnitude << (23 - kMantissa)) * float_of(static_cast<uint32_t>(254 - kBias) << 23);
    if (Exponent == 4 ? magnitude == 0x7f : magnitude > 0x7c)
      value = __builtin_nanf("");
    else if (Exponent == 5 && magnitude == 0x7c)
      value = __builtin_inff();
    return x & 0x80 ? -value : value;
  }

  /// Rounds a finite number to nearest even and not beyond the greatest one.
  static uint8_t encode(float x) {
    constexpr int kDropped = 23 - kMantissa;
    const uint32_t u = bits_of(x), magnitude = u & 0x7fffffffu;
    uint32_t code;
    if (magnitude < static_cast<uint32_t>(128 - kBias) << 23) { // subnormal: see half_of
      constexpr float kRound = Exponent == 4 ? 0x1p14f : 0x1p7f;
      code = bits_of(float_of(magnitude) + kRound) - bits_of(kRound);
    } else {
      code = (magnitude + (1u << (kDropped - 1)) - 1 + (magnitude >> kDropped & 1u) -
              (static_cast<uint32_t>(127 - kBias) << 23)) >>
             kDropped;
    }
    constexpr uint32_t kMost = Exponent == 4 ? 0x7e : 0x7b;
    return static_cast<uint8_t>((u >> 24 & 0x80) | (code > kMost ? kMost : code));
  }
};

using F8E4M3 = Float8<4>;
using F8E5M2 = Float8<5>;

/// Bytes of a row, or -1 when the format is not one of quantised weights.
AIOS_INLINE int64_t quantised_row_bytes(aios_dtype format, int64_t cols) {
  if (format == AIOS_DTYPE_I8 || format == AIOS_DTYPE_F8E4M3 || format == AIOS_DTYPE_F8E5M2)
    return cols;
  if (format == AIOS_DTYPE_I4)
    return (cols + 31) / 32 * 16;
  int64_t bytes = -1;
  with_block_format(format, [&](auto f) {
    using Format = decltype(f);
    bytes = (cols + Format::kBlock - 1) / Format::kBlock * Format::kBytes;
  });
  return bytes;
}

/// Weights first .. first + n of row r; n is at most kMaxBlock and first a multiple of it. Writes whole blocks.
static void dequantise(float (&to)[kMaxBlock], const aios_qmatrix &w, int64_t r, int64_t first, int64_t n) {
  const auto *row = static_cast<const uint8_t *>(w.data) + r * quantised_row_bytes(w.format, w.cols);
  const bool floats = w.format == AIOS_DTYPE_F8E4M3 || w.format == AIOS_DTYPE_F8E5M2;
  if (floats || w.format == AIOS_DTYPE_I8) {
    const float scale = static_cast<const float *>(w.scales)[r];
    for (int64_t i = 0; i < n; i++) {
      const uint8_t code = row[first + i];
      const float value = !floats                         ? static_cast<float>(static_cast<int8_t>(code))
                          : w.format == AIOS_DTYPE_F8E4M3 ? F8E4M3::decode(code)
                                                          : F8E5M2::decode(code);
      to[i] = scale * value;
    }
  } else if (w.format == AIOS_DTYPE_I4) {
    const int64_t groups = ceil_div(w.cols, w.group);
    for (int64_t i = 0; i < n; i += 32) {
      const int64_t group = r * groups + (first + i) / w.group;
      const float scale = half_at(static_cast<const uint8_t *>(w.scales) + 2 * group);
      const int zero_point = w.zeros == nullptr ? 8 : static_cast<const uint8_t *>(w.zeros)[group];
      const uint8_t *codes = row + (first + i) / 2;
      for (int j = 0; j < 16; j++) {
        to[i + j] = scale * static_cast<float>((codes[j] & 15) - zero_point);
        to[i + 16 + j] = scale * static_cast<float>((codes[j] >> 4) - zero_point);
      }
    }
  } else {
    with_block_format(w.format, [&](auto f) {
      using Format = decltype(f);
      Decoded block;
      for (int64_t i = 0; i < n; i += Format::kBlock) {
        Format::decode(row + (first + i) / Format::kBlock * Format::kBytes, block);
        for (int j = 0; j < Format::kBlock; j++) {
          const float value = block.scale[j / Format::kSub] * static_cast<float>(block.code[j] - Format::kZero);
          to[i + j] = Format::kMins ? value + block.offset[j / Format::kSub] : value;
        }
      }
    });
  }
}

/// AIOS_STATUS_OK, or fails naming what is wrong with the shape and format of a matrix.
AIOS_INLINE aios_status check_qshape(const char *call, const aios_qmatrix *w) {
  if (w == nullptr)
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "%s: the matrix is null", call);
  if (w->rows < 0 || w->cols < 0)
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "%s: the matrix is %lld x %lld; no extent may be negative", call,
                static_cast<long long>(w->rows), static_cast<long long>(w->cols));
  if (quantised_row_bytes(w->format, w->cols) < 0)
    return fail(AIOS_STATUS_UNIMPLEMENTED, "%s: dtype %d is not a format of quantised weights", call, w->format);
  if (w->format == AIOS_DTYPE_I4 && (w->group <= 0 || w->group % 32 != 0))
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "%s: a group has %lld columns; it must have a multiple of 32", call,
                static_cast<long long>(w->group));
  return AIOS_STATUS_OK;
}

/// The same with the buffers of the matrix.
AIOS_INLINE aios_status check_qmatrix(const char *call, const aios_qmatrix *w) {
  if (const aios_status status = check_qshape(call, w))
    return status;
  const bool blocks = w->format >= AIOS_DTYPE_Q8_0;
  if (w->rows > 0 && w->cols > 0 && (w->data == nullptr || (!blocks && w->scales == nullptr)))
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "%s: the matrix has no data or no scales", call);
  return AIOS_STATUS_OK;
}

} // namespace aios::AIOS_ISA

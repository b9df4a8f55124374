// Products of few rows with weights whose scales lie beside the codes: signed bytes (I8), floats of 8 bits (F8), and
// groups of 4 bits (I4). As in qgemv.h, each output reads its row of weights once for all rows of activations.
#pragma once

#include "qgemv.h"

namespace aios::AIOS_ISA {

/// Columns rounded up to whole vectors of bytes, which are whole pieces of 32 too.
AIOS_INLINE int64_t padded_cols(int64_t k) {
  constexpr int64_t kWhole = W > 8 ? 4 * W : 32;
  return ceil_div(k, kWhole) * kWhole;
}

/// Rows of activations as bytes, with one scale each.
struct I8Activations {
  int64_t cols;
  int8_t *codes;   ///< [row][cols]
  float *scales;   ///< [row]
  int32_t *starts; ///< [row][stretch]: -128 times the sum of the bytes of a stretch

  /// Columns whose products are summed in integers: 2^31 is never reached.
  static constexpr int64_t kStretch = 65536;

  I8Activations(void *memory, int64_t m, int64_t k) : cols(padded_cols(k)) {
    codes = static_cast<int8_t *>(memory);
    scales = reinterpret_cast<float *>(codes + m * cols);
    starts = reinterpret_cast<int32_t *>(scales + m);
  }

  /// The same from row m on.
  I8Activations from(int64_t m) const {
    I8Activations rest = *this;
    rest.codes += m * cols;
    rest.scales += m;
    rest.starts += m * stretches();
    return rest;
  }

  int64_t stretches() const { return ceil_div(cols, kStretch); }
  int64_t bytes(int64_t m) const { return m * cols + 4 * m * (1 + stretches()); }

  template <class T> void fill(const T *row, int64_t k, int64_t m) const {
    const ActivationScale scale = activation_scale(row, k);
    scales[m] = scale.back;
    for (int64_t s = 0; s < stretches(); s++) {
      int32_t sum = 0;
      for (int64_t at = s * kStretch; at < min64(cols, (s + 1) * kStretch); at += 32) {
        int8_t x[32];
        activation_bytes(x, row + min64(at, k), max64(0, min64(32, k - at)), scale.forward);
        memcpy(codes + m * cols + at, x, 32);
        for (int8_t value : x)
          sum += value;
      }
      starts[m * stretches() + s] = -128 * sum;
    }
  }
};

AIOS_INLINE int32_t reduce_sum(VI x) {
  uint32_t sum = 0;
  for (int i = 0; i < W; i++)
    sum += static_cast<uint32_t>(x[i]);
  return static_cast<int32_t>(sum);
}

/// out[m] = row of weights times row m of the activations.
template <int Rows>
AIOS_INLINE void multiply_i8_row(float (&out)[Rows], const uint8_t *row, float scale, int64_t k,
                                 const I8Activations &x) {
  constexpr int64_t kBytes = 4 * W;
  for (int m = 0; m < Rows; m++)
    out[m] = 0.0f;
  for (int64_t s = 0; s < x.stretches(); s++) {
    VI sum[Rows][2] = {};
    const auto step = [&](const uint8_t *p, int64_t at, int part) __attribute__((always_inline)) {
      const VU w = load_as<VU>(p) ^ 0x80808080u;
      for (int m = 0; m < Rows; m++)
        sum[m][part] = dot_bytes(sum[m][part], w, load_as<VU>(x.codes + m * x.cols + at));
    };
    const int64_t end = min64(k, (s + 1) * I8Activations::kStretch);
    int64_t at = s * I8Activations::kStretch;
    for (; at + 2 * kBytes <= end; at += 2 * kBytes) {
      __builtin_prefetch(row + at + kFetchWeights);
      __builtin_prefetch(row + at + kFetchWeights + kBytes);
      step(row + at, at, 0);
      step(row + at + kBytes, at + kBytes, 1);
    }
    for (; at < end; at += kBytes) {
      uint8_t last[kBytes] = {};
      memcpy(last, row + at, static_cast<size_t>(min64(kBytes, end - at)));
      step(last, at, 0);
    }
    for (int m = 0; m < Rows; m++) {
      const int32_t total = reduce_sum(sum[m][0] + sum[m][1]) + x.starts[m * x.stretches() + s];
      out[m] += static_cast<float>(total) * x.scales[m];
    }
  }
  for (int m = 0; m < Rows; m++)
    out[m] *= scale;
}

/// Rows of weights that are multiplied at a time, so that they share the loads of activations, which take more bytes
/// than the codes where they are floats.
template <int Rows> constexpr int kFloatOutputs = Rows == 1 ? 2 : 1;

/// Rows of activations as binary32, padded with zeros.
struct FloatRows {
  int64_t cols;
  float *values; ///< [row][cols]

  FloatRows(void *memory, int64_t, int64_t k) : cols(padded_cols(k)), values(static_cast<float *>(memory)) {}

  /// The same from row m on.
  FloatRows from(int64_t m) const {
    FloatRows rest = *this;
    rest.values += m * cols;
    return rest;
  }

  int64_t bytes(int64_t m) const { return 4 * m * cols; }

  template <class T> void fill(const T *row, int64_t k, int64_t m) const {
    for_vectors(k, [&](int64_t i, auto lanes) { store(values + m * cols + i, load(row + i, lanes), lanes); });
    memset(values + m * cols + k, 0, static_cast<size_t>(4 * (cols - k)));
  }
};

/// 2 W floats of 8 bits, divided by the power of two kFloat8Factor; infinity and NaN only as far as binary16 does it.
#if defined(__F16C__)
template <class Float> constexpr float kFloat8Factor = Float::kMantissa == 3 ? 0x1p8f : 1.0f;
#else
template <class Float> constexpr float kFloat8Factor = 1.0f;
#endif

template <class Float> AIOS_INLINE void load_float8(const uint8_t *p, VF &low, VF &high) {
#if defined(__AVX512F__)
  // The code is the upper half of a binary16 once its exponent has the fifth bit.
  __m512i half = _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(p)));
  half = Float::kMantissa == 3 ? _mm512_and_si512(_mm512_slli_epi16(half, 7), _mm512_set1_epi16(-0x4001))
                               : _mm512_slli_epi16(half, 8);
  low = _mm512_cvtph_ps(_mm512_castsi512_si256(half));
  high = _mm512_cvtph_ps(_mm512_extracti64x4_epi64(half, 1));
#elif defined(__F16C__)
  __m256i half = _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i *>(p)));
  half = Float::kMantissa == 3 ? _mm256_and_si256(_mm256_slli_epi16(half, 7), _mm256_set1_epi16(-0x4001))
                               : _mm256_slli_epi16(half, 8);
  low = _mm256_cvtph_ps(_mm256_castsi256_si128(half));
  high = _mm256_cvtph_ps(_mm256_extracti128_si256(half, 1));
#else
  constexpr int kShift = 23 - Float::kMantissa;
  const VF exponent = set1(float_of(static_cast<uint32_t>(254 - Float::kBias) << 23));
  const VU mask = VU{} + (0x80000000u | 0x7fu << kShift);
  low = (VF)((VU)load_bytes(reinterpret_cast<const int8_t *>(p), Full{}) << kShift & mask) * exponent;
  high = (VF)((VU)load_bytes(reinterpret_cast<const int8_t *>(p) + W, Full{}) << kShift & mask) * exponent;
#endif
}

/// Whether one of n codes is neither a number nor what load_float8 makes of it.
template <class Float> AIOS_INLINE bool has_special(const uint8_t *p, int64_t n) {
#if defined(__F16C__)
  if constexpr (Float::kMantissa == 2)
    return false;
#endif
  typedef uint8_t Bytes __attribute__((vector_size(4 * W)));
  Bytes most = {};
  const auto look = [&](const void *codes) __attribute__((always_inline)) {
    const Bytes x = load_as<Bytes>(codes) & 0x7f;
    most = x > most ? x : most;
  };
  int64_t i = 0;
  for (; i + 4 * W <= n; i += 4 * W)
    look(p + i);
  uint8_t last[4 * W] = {};
  memcpy(last, p + i, static_cast<size_t>(n - i));
  look(last);
  bool special = false;
  for (int j = 0; j < 4 * W; j++)
    special |= most[j] >= (Float::kMantissa == 3 ? 0x7f : 0x7c);
  return special;
}

/// The same for floats of 8 bits, `Outputs` rows of weights at a time: [output][m]. Infinity and NaN are rare, and take
/// a slow path.
template <class Float, int Outputs, int Rows>
AIOS_INLINE void multiply_f8_rows(float (&out)[Outputs][Rows], const uint8_t *row, const float *scales, int64_t k,
                                  const FloatRows &x) {
  constexpr int64_t kPiece = 2 * W;
  VF sum[Outputs][Rows][4] = {};
  const auto step = [&](int o, const uint8_t *p, int64_t at, int part) __attribute__((always_inline)) {
    VF low, high;
    load_float8<Float>(p, low, high);
#pragma GCC unroll 4
    for (int m = 0; m < Rows; m++) {
      const float *values = x.values + m * x.cols + at;
      sum[o][m][part] = fma(low, load(values, Full{}), sum[o][m][part]);
      sum[o][m][part + 1] = fma(high, load(values + W, Full{}), sum[o][m][part + 1]);
    }
  };
  int64_t at = 0;
  for (; at + 2 * kPiece <= k; at += 2 * kPiece)
    unrolled<Outputs>([&](auto o) __attribute__((always_inline)) {
      const uint8_t *p = row + o * k + at;
      __builtin_prefetch(p + kFetchWeights);
      step(o, p, at, 0);
      step(o, p + kPiece, at + kPiece, 2);
    });
  for (; at < k; at += kPiece)
    unrolled<Outputs>([&](auto o) __attribute__((always_inline)) {
      uint8_t last[kPiece] = {};
      memcpy(last, row + o * k + at, static_cast<size_t>(min64(kPiece, k - at)));
      step(o, last, at, 0);
    });
  unrolled<Outputs>([&](auto o) __attribute__((always_inline)) {
    const bool special = has_special<Float>(row + o * k, k);
#pragma GCC unroll 4
    for (int m = 0; m < Rows; m++) {
      const VF all = (sum[o][m][0] + sum[o][m][1]) + (sum[o][m][2] + sum[o][m][3]);
      out[o][m] = reduce_add(all) * (scales[o] * kFloat8Factor<Float>);
      if (special) {
        out[o][m] = 0.0f;
        for (int64_t i = 0; i < k; i++)
          out[o][m] += scales[o] * Float::decode(row[o * k + i]) * x.values[m * x.cols + i];
      }
    }
  });
}

/// The weights of the sixteen codes of a group.
class GroupTable {
public:
  GroupTable(float scale, float zero_point) {
#if defined(__AVX512F__)
    const VF codes = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    table_ = (codes - set1(zero_point)) * set1(scale);
#else
    scale_ = set1(scale);
    zero_point_ = set1(zero_point);
#endif
  }

  /// The weights whose codes are the lowest four bits of each word; higher bits are ignored.
  VF operator[](VU codes) const {
#if defined(__AVX512F__)
    return _mm512_permutexvar_ps((__m512i)codes, table_);
#else
    return (to_floats((VI)(codes & 15u)) - zero_point_) * scale_;
#endif
  }

private:
#if defined(__AVX512F__)
  VF table_;
#else
  VF scale_, zero_point_;
#endif
};

/// The same for groups of 4 bits, of which `Pieces` times 32 columns share a scale.
template <int Pieces, int Outputs, int Rows>
AIOS_INLINE void multiply_i4_pieces(float (&out)[Outputs][Rows], const aios_qmatrix &w, int64_t r, const FloatRows &x) {
  const int64_t groups = ceil_div(w.cols, w.group), pieces = ceil_div(w.cols, 32), length = w.group / 32;
  const uint8_t *row = static_cast<const uint8_t *>(w.data) + r * pieces * 16;
  const uint8_t *scales = static_cast<const uint8_t *>(w.scales) + 2 * r * groups;
  const uint8_t *zeros = w.zeros == nullptr ? nullptr : static_cast<const uint8_t *>(w.zeros) + r * groups;
  VF sum[Outputs][Rows][4] = {};
  const auto table_of = [&](int o, int64_t g) __attribute__((always_inline)) {
    return GroupTable(half_at(scales + 2 * (o * groups + g)),
                      zeros == nullptr ? 8.0f : static_cast<float>(zeros[o * groups + g]));
  };
  const auto piece = [&](int o, const GroupTable &table, int64_t i, int part) __attribute__((always_inline)) {
    for (int j = 0; j < 16; j += W) {
      const VU codes = load_bytes(row + (o * pieces + i) * 16 + j, Full{});
      const VF low = table[codes], high = table[codes >> 4];
#pragma GCC unroll 4
      for (int m = 0; m < Rows; m++) {
        const float *values = x.values + m * x.cols + 32 * i + j;
        sum[o][m][part] = fma(low, load(values, Full{}), sum[o][m][part]);
        sum[o][m][part + 1] = fma(high, load(values + 16, Full{}), sum[o][m][part + 1]);
      }
    }
  };
  int64_t i = 0, g = 0, left = length;
  for (; i + Pieces <= pieces; i += Pieces) {
    unrolled<Outputs>([&](auto o) __attribute__((always_inline)) {
      const GroupTable table = table_of(o, g);
      __builtin_prefetch(row + (o * pieces + i) * 16 + kFetchWeights);
      unrolled<Pieces>([&](auto j) __attribute__((always_inline)) { piece(o, table, i + j, j % 2 * 2); });
    });
    left -= Pieces;
    g += left == 0;
    left = left == 0 ? length : left;
  }
  for (; i < pieces; i++)
    unrolled<Outputs>([&](auto o) __attribute__((always_inline)) { piece(o, table_of(o, g), i, 0); });
  unrolled<Outputs>([&](auto o) __attribute__((always_inline)) {
#pragma GCC unroll 4
    for (int m = 0; m < Rows; m++)
      out[o][m] = reduce_add((sum[o][m][0] + sum[o][m][1]) + (sum[o][m][2] + sum[o][m][3]));
  });
}

template <int Outputs, int Rows>
AIOS_INLINE void multiply_i4_rows(float (&out)[Outputs][Rows], const aios_qmatrix &w, int64_t r, const FloatRows &x) {
  if (w.group % 128 == 0)
    multiply_i4_pieces<4>(out, w, r, x);
  else if (w.group % 64 == 0)
    multiply_i4_pieces<2>(out, w, r, x);
  else
    multiply_i4_pieces<1>(out, w, r, x);
}

} // namespace aios::AIOS_ISA

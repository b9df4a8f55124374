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
        block_bytes(x, row, at, k, scale.forward);
        memcpy(codes + m * cols + at, x, 32);
        sum += sum_bytes<32>(x);
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
    const auto step = [&](const uint8_t *p, int64_t at, int part) __attribute__((AIOS_ALWAYS_INLINE)) {
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

/// Bytes of activations that stay in L1 beside the weights that pass by. Where they take more, as floats soon do, more
/// rows of weights share their loads.
constexpr int64_t kNearBytes = 32 << 10;

/// Bytes ahead of a row at which rows that are read side by side are fetched: memory is then read in one stream, the
/// next rows one after the other, which takes less time than from several places.
template <int Outputs> AIOS_INLINE int64_t fetch_distance(int64_t row_bytes) {
  return Outputs == 1 ? kFetchWeights : Outputs * row_bytes;
}

/// The even lanes of two vectors, and the odd ones.
template <int... I> AIOS_INLINE void split_pairs(VF &a, VF &b, std::integer_sequence<int, I...>) {
  const VF even = __builtin_shufflevector(a, b, 2 * I...), odd = __builtin_shufflevector(a, b, 2 * I + 1 ...);
  a = even;
  b = odd;
}
AIOS_INLINE void split_pairs(VF &a, VF &b) {
  split_pairs(a, b, std::make_integer_sequence<int, W>{});
}

/// Floats of 8 bits are read 4 W at a time and come out in this order: first the even ones, then the odd ones, of each
/// half of them; without conversions from binary16 those at 0 modulo 4, at 1, 2 and 3.
AIOS_INLINE void float8_order(VF (&x)[4]) {
  split_pairs(x[0], x[1]);
  split_pairs(x[2], x[3]);
#if !defined(__F16C__)
  split_pairs(x[0], x[2]);
  split_pairs(x[1], x[3]);
#endif
}

/// Rows of activations as binary32, padded with zeros: in the order of columns, or in that of float8_order.
template <bool Float8> struct FloatRows {
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

  /// Interleaved sums of an output, and outputs at a time when activations are in L1, and when they are not. The order
  /// of a sum does not depend on its neighbours.
  template <int Rows> static constexpr int kChains = Rows > 2 ? 1 : 4 / Rows;
  template <int Rows> static constexpr int kFarOutputs = kRegisters / 2 / Rows / kChains<Rows>;
  template <int Rows> static constexpr int kNearOutputs = Rows > 1 ? kFarOutputs<Rows> : Float8 ? 1 : 2;

  template <class T> void fill(const T *row, int64_t k, int64_t m) const {
    float *to = values + m * cols;
    for_vectors(k, [&](int64_t i, auto lanes) { store(to + i, load(row + i, lanes), lanes); });
    memset(to + k, 0, static_cast<size_t>(4 * (cols - k)));
    if constexpr (Float8)
      for (int64_t i = 0; i < cols; i += 4 * W) {
        VF x[4];
        memcpy(x, to + i, sizeof x);
        float8_order(x);
        memcpy(to + i, x, sizeof x);
      }
  }
};

/// What float8_values divides by, a power of two, and the least magnitude of a code of which it makes something else
/// than it means: infinity and NaN come out right only as far as binary16 has them.
#if defined(__F16C__)
template <class Float> constexpr float kFloat8Factor = Float::kMantissa == 3 ? 0x1p8f : 1.0f;
template <class Float> constexpr int kFloat8Special = Float::kMantissa == 3 ? 0x7f : 0x80;
#else
template <class Float> constexpr float kFloat8Factor = 1.0f;
template <class Float> constexpr int kFloat8Special = Float::kMantissa == 3 ? 0x7f : 0x7c;
#endif

/// 4 W floats of 8 bits in the order of float8_order.
template <class Float> AIOS_INLINE void float8_values(VU codes, VF (&x)[4]) {
#if defined(__F16C__)
  // A code is the upper half of a binary16 once its exponent has the fifth bit.
  typedef int16_t Halves __attribute__((vector_size(4 * W)));
  Halves even = (Halves)(codes) << 8, odd = (Halves)codes;
  if constexpr (Float::kMantissa == 3) {
    constexpr int16_t kMask = -0x4080; // all but the copy of the sign and what was below the code
    even = even >> 1 & kMask;
    odd = odd >> 1 & kMask;
  } else {
    odd = odd & static_cast<int16_t>(-0x100);
  }
#if defined(__AVX512F__)
  x[0] = _mm512_cvtph_ps(_mm512_castsi512_si256((__m512i)even));
  x[1] = _mm512_cvtph_ps(_mm512_castsi512_si256((__m512i)odd));
  x[2] = _mm512_cvtph_ps(_mm512_extracti64x4_epi64((__m512i)even, 1));
  x[3] = _mm512_cvtph_ps(_mm512_extracti64x4_epi64((__m512i)odd, 1));
#else
  x[0] = _mm256_cvtph_ps(_mm256_castsi256_si128((__m256i)even));
  x[1] = _mm256_cvtph_ps(_mm256_castsi256_si128((__m256i)odd));
  x[2] = _mm256_cvtph_ps(_mm256_extracti128_si256((__m256i)even, 1));
  x[3] = _mm256_cvtph_ps(_mm256_extracti128_si256((__m256i)odd, 1));
#endif
#else
  // The product moves the exponent's bias, which makes subnormal numbers right too.
  constexpr int kDown = 1 + Float::kMantissa; // how far the exponent is shorter than that of binary32
  const VF bias = set1(float_of(static_cast<uint32_t>(254 - Float::kBias) << 23));
  unrolled<4>([&](auto j) __attribute__((AIOS_ALWAYS_INLINE)) {
    const VU magnitude = (VU)((VI)(codes << (24 - 8 * j)) >> kDown) & (0x80000000u | 0x7fu << (24 - kDown));
    x[j] = (VF)magnitude * bias;
  });
#endif
}

template <int Chains> AIOS_INLINE float reduce_chains(const VF (&sum)[Chains]) {
  VF all = sum[0];
#pragma GCC unroll 4
  for (int j = 1; j < Chains; j++)
    all += sum[j];
  return reduce_add(all);
}

/// Whether a byte is at least `limit`.
AIOS_INLINE bool any_at_least(VU bytes, int limit) {
  uint8_t all[4 * W];
  memcpy(all, &bytes, sizeof all);
  bool any = false;
  for (const uint8_t byte : all)
    any |= byte >= limit;
  return any;
}

/// The same for floats of 8 bits, some of which may be neither a number nor what float8_values makes of them.
template <class Float, int Rows>
[[gnu::noinline]] static void multiply_special(float (&out)[Rows], const uint8_t *row, float scale, int64_t k,
                                               const FloatRows<true> &x) {
  VF sum[Rows] = {};
  for (int64_t at = 0; at < k; at += 4 * W) {
    float values[4 * W] = {};
    for (int64_t i = 0; i < min64(4 * W, k - at); i++)
      values[i] = Float::decode(row[at + i]);
    VF w[4];
    memcpy(w, values, sizeof w);
    float8_order(w);
    for (int m = 0; m < Rows; m++)
      for (int j = 0; j < 4; j++)
        sum[m] = fma(w[j], load(x.values + m * x.cols + at + j * W, Full{}), sum[m]);
  }
  for (int m = 0; m < Rows; m++)
    out[m] = reduce_add(sum[m]) * scale;
}

/// The same for all, `Outputs` rows of weights at a time: [output][m]. Infinity and NaN are rare, and take a slow path.
template <class Float, int Outputs, int Rows>
AIOS_INLINE void multiply_f8_rows(float (&out)[Outputs][Rows], const uint8_t *row, const float *scales, int64_t k,
                                  const FloatRows<true> &x) {
  typedef uint8_t Bytes __attribute__((vector_size(4 * W)));
  constexpr int kChains = FloatRows<true>::kChains<Rows>;
  VF sum[Outputs][Rows][kChains] = {};
  Bytes most[Outputs] = {};
  const auto step = [&](int o, VU codes, int64_t at) __attribute__((AIOS_ALWAYS_INLINE)) {
    if constexpr (kFloat8Special<Float> < 0x80) {
      const Bytes magnitude = (Bytes)codes + (Bytes)codes;
      most[o] = magnitude > most[o] ? magnitude : most[o];
    }
    VF w[4];
    float8_values<Float>(codes, w);
#pragma GCC unroll 4
    for (int m = 0; m < Rows; m++)
#pragma GCC unroll 4
      for (int j = 0; j < 4; j++) {
        VF &to = sum[o][m][j % kChains];
        to = fma(w[j], load(x.values + m * x.cols + at + j * W, Full{}), to);
      }
  };
  const uint8_t *ahead = row + fetch_distance<Outputs>(k);
  int64_t at = 0;
  for (; at + 4 * W <= k; at += 4 * W)
    unrolled<Outputs>([&](auto o) __attribute__((AIOS_ALWAYS_INLINE)) {
      __builtin_prefetch(ahead + Outputs * at + 4 * W * o);
      step(o, load_as<VU>(row + o * k + at), at);
    });
  if (at < k)
    unrolled<Outputs>([&](auto o) __attribute__((AIOS_ALWAYS_INLINE)) {
      uint8_t last[4 * W] = {};
      memcpy(last, row + o * k + at, static_cast<size_t>(k - at));
      step(o, load_as<VU>(last), at);
    });
  unrolled<Outputs>([&](auto o) __attribute__((AIOS_ALWAYS_INLINE)) {
#pragma GCC unroll 4
    for (int m = 0; m < Rows; m++) {
      out[o][m] = reduce_chains(sum[o][m]) * (scales[o] * kFloat8Factor<Float>);
    }
    if (kFloat8Special<Float> < 0x80 && any_at_least((VU)most[o], 2 * kFloat8Special<Float>))
      multiply_special<Float>(out[o], row + o * k, scales[o], k, x);
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
AIOS_INLINE void multiply_i4_pieces(float (&out)[Outputs][Rows], const aios_qmatrix &w, int64_t r,
                                    const FloatRows<false> &x) {
  const int64_t groups = ceil_div(w.cols, w.group), pieces = ceil_div(w.cols, 32), length = w.group / 32;
  const uint8_t *row = static_cast<const uint8_t *>(w.data) + r * pieces * 16;
  const uint8_t *scales = static_cast<const uint8_t *>(w.scales) + 2 * r * groups;
  const uint8_t *zeros = w.zeros == nullptr ? nullptr : static_cast<const uint8_t *>(w.zeros) + r * groups;
  constexpr int kChains = FloatRows<false>::kChains<Rows>;
  VF sum[Outputs][Rows][kChains] = {};
  const auto table_of = [&](int o, int64_t g) __attribute__((AIOS_ALWAYS_INLINE)) {
    return GroupTable(half_at(scales + 2 * (o * groups + g)),
                      zeros == nullptr ? 8.0f : static_cast<float>(zeros[o * groups + g]));
  };
  const auto piece = [&](int o, const GroupTable &table, int64_t i, int part) __attribute__((AIOS_ALWAYS_INLINE)) {
    for (int j = 0; j < 16; j += W) {
      const VU codes = load_bytes(row + (o * pieces + i) * 16 + j, Full{});
      const VF low = table[codes], high = table[codes >> 4];
#pragma GCC unroll 4
      for (int m = 0; m < Rows; m++) {
        const float *values = x.values + m * x.cols + 32 * i + j;
        VF &first = sum[o][m][part % kChains], &second = sum[o][m][(part + 1) % kChains];
        first = fma(low, load(values, Full{}), first);
        second = fma(high, load(values + 16, Full{}), second);
      }
    }
  };
  const int64_t ahead = fetch_distance<Outputs>(16 * pieces);
  int64_t i = 0, g = 0, left = length;
  for (; i + Pieces <= pieces; i += Pieces) {
    unrolled<Outputs>([&](auto o) __attribute__((AIOS_ALWAYS_INLINE)) {
      const GroupTable table = table_of(o, g);
      __builtin_prefetch(row + (Outputs * i + o * Pieces) * 16 + ahead);
      unrolled<Pieces>([&](auto j) __attribute__((AIOS_ALWAYS_INLINE)) { piece(o, table, i + j, j % 2 * 2); });
    });
    left -= Pieces;
    g += left == 0;
    left = left == 0 ? length : left;
  }
  for (; i < pieces; i++)
    unrolled<Outputs>([&](auto o) __attribute__((AIOS_ALWAYS_INLINE)) { piece(o, table_of(o, g), i, 0); });
  unrolled<Outputs>([&](auto o) __attribute__((AIOS_ALWAYS_INLINE)) {
#pragma GCC unroll 4
    for (int m = 0; m < Rows; m++)
      out[o][m] = reduce_chains(sum[o][m]);
  });
}

template <int Outputs, int Rows>
AIOS_INLINE void multiply_i4_rows(float (&out)[Outputs][Rows], const aios_qmatrix &w, int64_t r,
                                  const FloatRows<false> &x) {
  if (w.group % 128 == 0)
    multiply_i4_pieces<4>(out, w, r, x);
  else if (w.group % 64 == 0)
    multiply_i4_pieces<2>(out, w, r, x);
  else
    multiply_i4_pieces<1>(out, w, r, x);
}

} // namespace aios::AIOS_ISA

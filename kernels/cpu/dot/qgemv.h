// Products of few rows with quantised weights: bound by reading the weights, which are unpacked on the fly, once for
// all rows. Each output is the sum over its row of weights, W groups at a time.
#pragma once

#include "qactivations.h"
#include "qcodes.h"

namespace aios::AIOS_ISA {

/// Rows of activations that share the unpacking, and the most that are multiplied this way: a few times some weights
/// that stay in the second-level cache costs less than unpacking them to memory.
constexpr int64_t kGemvRows = 4;
constexpr int64_t kFewQRows = 12;
constexpr int64_t kGemvBytes = 128 << 10;

/// Bytes of weights fetched ahead of their use: about the latency of memory at its full rate.
constexpr int64_t kFetchWeights = 4096;

/// Activations in the order in which Codes<Format> unpacks weights, for one row after the other.
template <class Format> struct GemvActivations {
  static constexpr int kParts = Format::kSub / 16;

  int64_t quads;   ///< Sets of W groups, of whole steps.
  uint8_t *codes;  ///< [quad][vector 0-3][16 weights of the group][word], signed
  float *scales;   ///< [quad][lane]: of the activations
  int32_t *starts; ///< [quad][lane]: -kZero times the sum of the bytes
  float *sums;     ///< [quad][lane]: scale times the sum of the bytes; formats with offsets only

  GemvActivations(void *memory, int64_t m, int64_t k) {
    const int64_t groups = ceil_div(k, Format::kBlock) * kGroups<Format>;
    quads = ceil_div(groups, kStep<Format>) * (kStep<Format> / W);
    codes = static_cast<uint8_t *>(memory);
    scales = reinterpret_cast<float *>(codes + m * quads * W * Format::kSub);
    starts = reinterpret_cast<int32_t *>(scales + m * quads * W);
    sums = reinterpret_cast<float *>(starts + m * quads * W);
  }

  int64_t bytes(int64_t m) const { return m * quads * W * (Format::kSub + (Format::kMins ? 12 : 8)); }

  /// The same from row m on.
  GemvActivations from(int64_t m) const {
    GemvActivations rest = *this;
    rest.codes += m * quads * W * Format::kSub;
    rest.scales += m * quads * W;
    rest.starts += m * quads * W;
    rest.sums += m * quads * W;
    return rest;
  }

  /// Quantises 32 elements of a row.
  template <class T> void fill(const T *row, int64_t k, int64_t m, int64_t block) const {
    const int64_t first = 32 * block;
    int8_t x[32];
    const ActivationScale scale = block_scale(row, first, k);
    block_bytes(x, row, first, k, scale.forward);
    for (int64_t half = 0; half < 2; half++) {
      const int64_t group = (first + 16 * half) / Format::kSub, part = 16 * half % Format::kSub / 16;
      const int64_t quad = m * quads + group / W, lane = Codes<Format>::lane(static_cast<int>(group % kStep<Format>));
      memcpy(codes + (((quad * 4 + lane % 4) * kParts + part) * kSegments + lane / 4) * 16, x + 16 * half, 16);
      if (part == 0) {
        const int factor = Codes<Format>::factor(static_cast<int>(group % kStep<Format>));
        const int32_t sum = sum_bytes<Format::kSub>(x + 16 * half);
        const int64_t to = quad * W + lane;
        scales[to] = scale.back / static_cast<float>(factor);
        starts[to] = -Format::kZero * factor * sum;
        if constexpr (Format::kMins)
          sums[to] = Codes<Format>::kOffsetSign * scale.back * static_cast<float>(sum);
      }
    }
  }
};

/// sum[m] += a step of weights times row m of the activations; the offsets' part goes to `rest`, so that two short
/// chains of additions run side by side.
template <class Format, int Rows>
AIOS_INLINE void multiply_step(VF (&sum)[Rows], VF (&rest)[Rows], const uint8_t *p, const GemvActivations<Format> &x,
                               int64_t quad) {
  constexpr int kParts = GemvActivations<Format>::kParts;
  unrolled<kStep<Format> / W>([&](auto q) __attribute__((AIOS_ALWAYS_INLINE)) {
    VI products[Rows][4] = {};
    const uint8_t *codes = x.codes + (quad + q) * 4 * kParts * 4 * W;
    unrolled<4>([&](auto a) __attribute__((AIOS_ALWAYS_INLINE)) {
      VU w[kParts];
      Codes<Format>::template unpack<q, a>(p, w);
#pragma GCC unroll 4
      for (int m = 0; m < Rows; m++)
#pragma GCC unroll 2
        for (int j = 0; j < kParts; j++)
          products[m][a] =
              dot_bytes(products[m][a], w[j], load_as<VU>(codes + ((m * x.quads * 4 + a) * kParts + j) * 4 * W));
    });
    VF scale, offset;
    Codes<Format>::template scales<q>(p, scale, offset);
#pragma GCC unroll 4
    for (int m = 0; m < Rows; m++) {
      const int64_t lane = (m * x.quads + quad + q) * W;
      VI total = segment_sums(products[m][0], products[m][1], products[m][2], products[m][3]);
      if constexpr (Format::kZero != 0)
        total += load_as<VI>(x.starts + lane);
      sum[m] = fma(to_floats(total) * load(x.scales + lane, Full{}), scale, sum[m]);
      if constexpr (Format::kMins)
        rest[m] = fma(load(x.sums + lane, Full{}), offset, rest[m]);
    }
  });
}

/// out[m] = row of weights times row m of the activations.
template <class Format, int Rows>
AIOS_INLINE void multiply_row(float (&out)[Rows], const uint8_t *row, int64_t blocks,
                              const GemvActivations<Format> &x) {
  constexpr int kStepBlocks = kStep<Format> / kGroups<Format>, kStepBytes = kStepBlocks * Format::kBytes;
  VF sum[Rows] = {}, rest[Rows] = {};
  int64_t block = 0, quad = 0;
  for (; block + kStepBlocks <= blocks; block += kStepBlocks, quad += kStep<Format> / W, row += kStepBytes) {
    for (int line = 0; line < kStepBytes; line += 64)
      __builtin_prefetch(row + kFetchWeights + line);
    multiply_step<Format>(sum, rest, row, x, quad);
  }
  if (block < blocks) {
    uint8_t last[kStepBytes] = {};
    memcpy(last, row, static_cast<size_t>((blocks - block) * Format::kBytes));
    multiply_step<Format>(sum, rest, last, x, quad);
  }
  for (int m = 0; m < Rows; m++)
    out[m] = reduce_add(Format::kMins ? sum[m] + rest[m] : sum[m]);
}

} // namespace aios::AIOS_ISA

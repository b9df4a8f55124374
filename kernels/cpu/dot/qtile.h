// Products of many rows with quantised weights: a strip of outputs is unpacked once per stretch of k, to unsigned bytes
// in the order of the dot instructions with the scales beside them, and all rows of activations pass by. A tile of
// kRows rows and kWidth outputs keeps its binary32 sums in registers; a block of k is summed exactly, in integers that
// start at the correction for the codes' zero, and then multiplied by the scales of its activations and weights.
#pragma once

#include "qactivations.h"
#include "segments.h"

namespace aios::AIOS_ISA {

/// Rows and vectors of a tile: sums in binary32 and in integers, a vector of codes each and one of activations fill 32
/// registers with AVX-512 and 16 elsewhere.
constexpr int kQRows = W == 16 ? 6 : 3;
constexpr int kQVectors = 2;
constexpr int kQWidth = kQVectors * W;

/// Length of k that is unpacked at a time: a strip of it lies in L1.
constexpr int64_t kQStretch = 512;

/// W8A8: one scale for a row, so only a stretch is summed in integers and nothing but that limits it.
struct I8Rows {
  static constexpr bool kMins = false;
  static constexpr int kBlock = 32, kSub = kQStretch, kZero = 128, kOffsetSub = kSub;
};

/// A block format as it is multiplied: kOffsetSub weights share an offset.
template <class Format> struct Tiled : Format { static constexpr int kOffsetSub = Format::kSub; };

template <> struct Tiled<IQ4_NL> : IQ4_NL {
  static constexpr int kOffsetSub = IQ4_NL::kSub;

  static void decode(const uint8_t *p, Decoded &to) {
    const auto table = load_as<B16>(kTable), both = load_as<B16>(p + kCodesAt);
    const B16 low = lookup(table, both & 15), high = lookup(table, both >> 4);
    memcpy(to.code, &low, sizeof low);
    memcpy(to.code + 16, &high, sizeof high);
    to.scale[0] = half_at(p);
  }
};

/// The codes of Q2_K and Q3_K times the integer scales of their groups of 16 fit a byte, so that 32 of them are summed
/// in integers, which takes less time to scale. Products of Q3_K, of -4 .. 3 and -32 .. 31, are -124 .. 128.
template <class Format, int Zero> struct WideGroups : Format {
  static constexpr int kSub = 32, kOffsetSub = Format::kSub, kZero = Zero;

  static void decode(const uint8_t *p, Decoded &to) {
    constexpr B16 kOne = {0, 255, 0, 255, 0, 255, 0, 255}, kTwo = {0, 0, 255, 255, 0, 0, 255, 255},
                  kFour = {0, 0, 0, 0, 255, 255, 255, 255};
    Format::decode_codes(p, to);
    if constexpr (Format::kMins)
      Format::decode_offsets(p, to);
    const float d = half_at(p + Format::kHalvesAt);
    for (int g = 0; g < Format::kBlock / kOffsetSub; g++) {
      // The products of the codes, of which there are at most eight, modulo 256.
      const int integer = Format::scale_at(p, g);
      const B16 scale = B16{} + static_cast<uint8_t>(integer), twice = scale + scale;
      const auto zero = static_cast<uint8_t>(kZero - integer * Format::kZero);
      const B16 table = (scale & kOne) + (twice & kTwo) + ((twice + twice) & kFour) + zero;
      const B16 bytes = lookup(table, load_as<B16>(to.code + 16 * g));
      memcpy(to.code + 16 * g, &bytes, sizeof bytes);
      to.scale[g] = d;
    }
  }
};
template <> struct Tiled<Q2_K> : WideGroups<Q2_K, 0> {};
template <> struct Tiled<Q3_K> : WideGroups<Q3_K, 127> {};

/// Columns that share an activation scale: 32, or all of them.
template <class Format> constexpr int64_t kActivationBlock = Format::kSub > 32 ? Format::kSub : 32;

/// Activations in the workspace: tiles of kQRows rows, row after row within each k.
template <class Format> struct Activations {
  int64_t rows, cols; ///< Rounded up to whole tiles and to whole blocks of weights.
  int32_t *codes;     ///< [tile][cols / 4][row] of four bytes
  float *scales;      ///< [tile][activation block][row]
  int32_t *starts;    ///< [tile][cols / kSub][row]: -kZero times the sum of the bytes, unless kZero is 0
  float *sums;        ///< [tile][cols / kOffsetSub][row]: scale times the sum of the bytes; formats with offsets only

  static constexpr int64_t kSubs = kActivationBlock<Format> / Format::kSub;
  static constexpr int64_t kOffsets = kActivationBlock<Format> / Format::kOffsetSub;

  Activations(void *memory, int64_t m, int64_t k) {
    rows = ceil_div(m, kQRows) * kQRows;
    cols = ceil_div(k, Format::kBlock) * Format::kBlock;
    codes = static_cast<int32_t *>(memory);
    scales = reinterpret_cast<float *>(codes + round16(rows * cols / 4));
    starts = reinterpret_cast<int32_t *>(scales + round16(rows * blocks()));
    sums = reinterpret_cast<float *>(starts + starts_length());
  }

  static int64_t round16(int64_t n) { return ceil_div(n, 16) * 16; }
  int64_t blocks() const { return ceil_div(cols, kActivationBlock<Format>); }
  int64_t starts_length() const { return Format::kZero == 0 ? 0 : round16(rows * blocks() * kSubs); }
  int64_t bytes() const {
    const int64_t offsets = Format::kMins ? round16(rows * blocks() * kOffsets) : 0;
    return 4 * (round16(rows * cols / 4) + round16(rows * blocks()) + starts_length() + offsets);
  }

  /// Quantises the rows of one tile.
  template <class T> void fill(const T *a, int64_t m, int64_t k, int64_t tile) const {
    for (int i = 0; i < kQRows; i++) {
      const int64_t r = tile * kQRows + i;
      const T *row = a + min64(r, m - 1) * k;
      const int64_t real = r < m ? k : 0;
      ActivationScale scale = {};
      if constexpr (kRowScale)
        scale = activation_scale(row, real);
      for (int64_t b = 0; b < blocks(); b++) {
        if constexpr (!kRowScale)
          scale = block_scale(row, kActivationBlock<Format> * b, real);
        fill_block(row, real, tile, i, b, scale);
      }
    }
  }

private:
  static constexpr bool kRowScale = Format::kSub > 32;

  template <class T>
  void fill_block(const T *row, int64_t k, int64_t tile, int i, int64_t b, ActivationScale scale) const {
    constexpr int64_t kLength = kActivationBlock<Format>;
    const int64_t first = b * kLength, end = min64(first + kLength, cols);
    constexpr int kPart = Format::kOffsetSub < 32 ? Format::kOffsetSub : 32;
    constexpr int64_t kParts = kOffsets / kSubs;
    int32_t sum[kOffsets] = {};
    for (int64_t at = first; at < end; at += 32) {
      int8_t bytes[32];
      block_bytes(bytes, row, at, k, scale.forward);
      for (int j = 0; j < 8; j++)
        memcpy(codes + (tile * (cols / 4) + at / 4 + j) * kQRows + i, bytes + 4 * j, 4);
      for (int j = 0; j < 32; j += kPart)
        sum[(at - first + j) / Format::kOffsetSub] += sum_bytes<kPart>(bytes + j);
    }
    scales[(tile * blocks() + b) * kQRows + i] = scale.back;
    if constexpr (Format::kZero != 0)
      for (int64_t s = 0; s < kSubs; s++) {
        int32_t all = 0;
        for (int64_t part = 0; part < kParts; part++)
          all += sum[s * kParts + part];
        starts[((tile * blocks() + b) * kSubs + s) * kQRows + i] = -Format::kZero * all;
      }
    if constexpr (Format::kMins)
      for (int64_t s = 0; s < kOffsets; s++)
        sums[((tile * blocks() + b) * kOffsets + s) * kQRows + i] = scale.back * static_cast<float>(sum[s]);
  }
};

/// A stretch of a strip, unpacked, in the worker's scratch memory.
template <class Format> struct Strip {
  static constexpr int64_t kSubs = kQStretch / Format::kSub, kOffsets = kQStretch / Format::kOffsetSub;
  uint32_t codes[kQStretch / 4 * kQWidth];               ///< [k / 4][output] of four bytes
  float scales[kSubs * kQWidth];                         ///< [group][output]
  float offsets[Format::kMins ? kOffsets * kQWidth : 1]; ///< [group of kOffsetSub][output]
  alignas(64) uint8_t rows[kQWidth][kQStretch];          ///< The codes as they come out of the weights.

  /// Unpacks `depth` columns from `first` on of `count` rows from `row` on; what is missing becomes 0.
  void fill(const aios_qmatrix &w, int64_t row, int64_t count, int64_t first, int64_t depth) {
    const int64_t pitch = quantised_row_bytes(w.format, w.cols);
    for (int64_t i = 0; i < kQWidth; i++) {
      if (i < count)
        fill_row(w, static_cast<const uint8_t *>(w.data) + (row + i) * pitch, row + i, i, first, depth);
      else
        clear_row(i, depth);
    }
    interleave(depth);
  }

private:
  void clear_row(int64_t i, int64_t depth) {
    memset(rows[i], 0, static_cast<size_t>(depth));
    for (int64_t s = 0; s < ceil_div(depth, Format::kSub); s++)
      scales[s * kQWidth + i] = 0.0f;
    if constexpr (Format::kMins)
      for (int64_t s = 0; s < ceil_div(depth, Format::kOffsetSub); s++)
        offsets[s * kQWidth + i] = 0.0f;
  }

  void fill_row(const aios_qmatrix &w, const uint8_t *data, int64_t r, int64_t i, int64_t first, int64_t depth) {
    if constexpr (Format::kSub > 32) {
      const int64_t real = min64(depth, w.cols - first);
      for (int64_t j = 0; j < real; j++)
        rows[i][j] = data[first + j] ^ 0x80;
      memset(rows[i] + real, 0, static_cast<size_t>(depth - real));
      scales[i] = static_cast<const float *>(w.scales)[r];
    } else {
      constexpr int kParts = Format::kSub / Format::kOffsetSub;
      Decoded block;
      for (int64_t j = 0; j < depth; j += Format::kBlock) {
        Format::decode(data + (first + j) / Format::kBlock * Format::kBytes, block);
        for (int at = 0; at < Format::kBlock; at += 16) { // no more at a time than decode writes
          const auto codes = load_as<B16>(block.code + at);
          memcpy(rows[i] + j + at, &codes, sizeof codes);
        }
        for (int64_t g = 0; g < Format::kBlock / Format::kSub; g++)
          scales[(j / Format::kSub + g) * kQWidth + i] = block.scale[g * kParts];
        if constexpr (Format::kMins)
          for (int64_t g = 0; g < Format::kBlock / Format::kOffsetSub; g++)
            offsets[(j / Format::kOffsetSub + g) * kQWidth + i] = block.offset[g];
      }
    }
  }

  /// Four rows of W times four bytes become W groups of four neighbouring outputs.
  void interleave(int64_t depth) {
    constexpr int64_t kStep = 4 * W;
    const int64_t whole = depth / kStep * kStep;
    for (int64_t k = 0; k < whole; k += kStep)
      for (int i = 0; i < kQWidth; i += 4) {
        VU a, b, c, d;
        memcpy(&a, rows[i] + k, sizeof a);
        memcpy(&b, rows[i + 1] + k, sizeof b);
        memcpy(&c, rows[i + 2] + k, sizeof c);
        memcpy(&d, rows[i + 3] + k, sizeof d);
        transpose4(a, b, c, d);
        const VU all[4] = {a, b, c, d};
        uint8_t block[4][W / 4][16];
        memcpy(block, all, sizeof block);
        for (int q = 0; q < W; q++)
          memcpy(codes + (k / 4 + q) * kQWidth + i, block[q % 4][q / 4], 16);
      }
    for (int64_t k = whole; k < depth; k += 4)
      for (int i = 0; i < kQWidth; i++)
        memcpy(codes + k / 4 * kQWidth + i, rows[i] + k, 4);
  }
};

/// sums[row][output] += the products of one tile of activations with a stretch of a strip.
template <class Format>
[[gnu::noinline]] static void multiply_tile(float *sums, const Strip<Format> &strip, const Activations<Format> &a,
                                            int64_t tile, int64_t first, int64_t depth, bool begins) {
  constexpr int64_t kSubs = Activations<Format>::kSubs, kParts = Activations<Format>::kOffsets / kSubs;
  VF sum[kQRows][kQVectors];
#pragma GCC unroll 8
  for (int i = 0; i < kQRows; i++)
#pragma GCC unroll 2
    for (int v = 0; v < kQVectors; v++)
      sum[i][v] = begins ? zero() : load(sums + i * kQWidth + v * W, Full{});

  const int64_t block = tile * a.blocks() + first / kActivationBlock<Format>;
  const int64_t subs = ceil_div(depth, Format::kSub);
  const uint32_t *codes = strip.codes;
  const int32_t *bytes = a.codes + (tile * (a.cols / 4) + first / 4) * kQRows;
  for (int64_t s = 0; s < subs; s++) {
    const int64_t group = (block * kSubs + s) * kQRows;
    const int quads = Format::kSub > 32 ? static_cast<int>(depth / 4) : Format::kSub / 4;
    VI products[kQRows][kQVectors];
#pragma GCC unroll 8
    for (int i = 0; i < kQRows; i++)
#pragma GCC unroll 2
      for (int v = 0; v < kQVectors; v++)
        products[i][v] = Format::kZero == 0 ? VI{} : VI{} + a.starts[group + i];
    for (int q = 0; q < quads; q++) {
      VU w[kQVectors];
#pragma GCC unroll 2
      for (int v = 0; v < kQVectors; v++)
        memcpy(&w[v], codes + v * W, sizeof w[v]);
#pragma GCC unroll 8
      for (int i = 0; i < kQRows; i++) {
        const VU x = VU{} + static_cast<uint32_t>(bytes[i]);
#pragma GCC unroll 2
        for (int v = 0; v < kQVectors; v++)
          products[i][v] = dot_bytes(products[i][v], w[v], x);
      }
      codes += kQWidth;
      bytes += kQRows;
    }
    const float *scales = a.scales + (block + s / kSubs) * kQRows;
#pragma GCC unroll 2
    for (int v = 0; v < kQVectors; v++) {
      const VF scale = load(strip.scales + s * kQWidth + v * W, Full{});
#pragma GCC unroll 8
      for (int i = 0; i < kQRows; i++) {
        const VF product = __builtin_convertvector(products[i][v], VF) * set1(scales[i]);
        sum[i][v] = fma(product, scale, sum[i][v]);
      }
      if constexpr (Format::kMins)
#pragma GCC unroll 2
        for (int64_t part = 0; part < kParts; part++) {
          const VF offset = load(strip.offsets + (s * kParts + part) * kQWidth + v * W, Full{});
#pragma GCC unroll 8
          for (int i = 0; i < kQRows; i++)
            sum[i][v] = fma(set1(a.sums[group * kParts + part * kQRows + i]), offset, sum[i][v]);
        }
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < kQRows; i++)
#pragma GCC unroll 2
    for (int v = 0; v < kQVectors; v++)
      store(sums + i * kQWidth + v * W, sum[i][v], Full{});
}

} // namespace aios::AIOS_ISA

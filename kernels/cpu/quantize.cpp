// aios_quantize and aios_dequantize: matrices of F32 or BF16 to quantised weights and back, row by row. The formats are
// those of qformat.h, the searches for scales those of qfit.h.
#include "qfit.h"

namespace aios::AIOS_ISA {

namespace {

// ---- blocks

/// d (q - kZero), and + m where the format has it.
template <class Format>
requires(Format::kBlock == 32) void quantise_block(uint8_t *to, const float *x) {
  Quantised block;
  block.m = 0.0f;
  Range range = {0.0f, 0.0f};
  if constexpr (Format::kMins) {
    range = {static_cast<float>(Format::kLow), static_cast<float>(Format::kHigh)};
    const Fit fit = fit_range(x, 32, range.high, false, true);
    block.d = fit.scale;
    block.m = fit.offset;
  } else {
    range = {static_cast<float>(Format::kLow), static_cast<float>(Format::kHigh)};
    block.d = fit_scale(x, 32, range, true);
  }
  uint8_t halves[4];
  store_half(halves, block.d);
  store_half(halves + 2, block.m);
  const float scale = inverse(half_at(halves)), offset = half_at(halves + 2);
  for (int i = 0; i < 32; i++)
    block.code[i] = static_cast<uint8_t>(code_of(x[i], scale, offset, range) + Format::kZero);
  Format::encode(to, block);
}

template <> void quantise_block<Q8_0>(uint8_t *to, const float *x) {
  Quantised block;
  block.d = fabsf(extreme(x, 32)) / 127.0f;
  uint8_t half[2];
  store_half(half, block.d);
  const float scale = inverse(half_at(half));
  for (int i = 0; i < 32; i++)
    block.code[i] = static_cast<uint8_t>(code_of(x[i], scale, 0.0f, {-127.0f, 127.0f}) + 128);
  Q8_0::encode(to, block);
}

/// The index of the entry of the table that is nearest to x.
int nearest_entry(float x) {
  int index = 0;
  for (int i = 1; i < 16; i++) {
    const float middle = 0.5f * static_cast<float>(IQ4_NL::kTable[i - 1] + IQ4_NL::kTable[i] - 256);
    index += x > middle;
  }
  return index;
}

float entry(int index) {
  return static_cast<float>(IQ4_NL::kTable[index] - 128);
}

template <> void quantise_block<IQ4_NL>(uint8_t *to, const float *x) {
  const float most = extreme(x, 32);
  Quantised block;
  block.d = 0.0f;
  float least = INFINITY;
  // The extreme element at either end of the table, exactly and a little off.
  for (int i = 0; i < 14 && most != 0.0f; i++) {
    const float first = most / (entry(i % 2 == 0 ? 0 : 15) * (1.0f + 0.03f * static_cast<float>((i / 2 + 3) % 7 - 3)));
    const float inverse_first = inverse(first);
    float products = 0.0f, squares = 0.0f;
    for (int j = 0; j < 32; j++) {
      const float value = entry(nearest_entry(x[j] * inverse_first));
      products += x[j] * value;
      squares += value * value;
    }
    // The first candidate is plain rounding.
    uint8_t half[2];
    store_half(half, i == 0 ? first : products / squares);
    const float scale = half_at(half), inverse_scale = inverse(scale);
    float error = 0.0f;
    for (int j = 0; j < 32; j++) {
      const float difference = x[j] - scale * entry(nearest_entry(x[j] * inverse_scale));
      error += difference * difference;
    }
    if (error < least) {
      least = error;
      block.d = scale;
    }
  }
  const float scale = inverse(block.d);
  for (int i = 0; i < 32; i++)
    block.code[i] = static_cast<uint8_t>(nearest_entry(x[i] * scale));
  IQ4_NL::encode(to, block);
}

/// Rounds d to what a block keeps.
float kept(float d) {
  uint8_t half[2];
  store_half(half, d);
  return half_at(half);
}

/// The K formats with minima: a search for each group, then integer scales and minima, of which the best of some
/// neighbours is taken.
template <class Format>
requires(Format::kBlock == 256 && Format::kMins) void quantise_block(uint8_t *to, const float *x) {
  constexpr int kGroups = 256 / Format::kSub;
  constexpr Range range = {0.0f, Format::kMaxCode};
  Fit fits[kGroups];
  float scale_most = 0.0f, min_most = 0.0f;
  for (int g = 0; g < kGroups; g++) {
    fits[g] = fit_range(x + g * Format::kSub, Format::kSub, range.high, true, false);
    scale_most = fmaxf(scale_most, fits[g].scale);
    min_most = fmaxf(min_most, -fits[g].offset);
  }
  constexpr float kMost = Format::kMaxScale;
  Quantised block;
  block.d = kept(scale_most / kMost);
  block.m = kept(min_most / kMost + 0.0f); // not -0
  for (int g = 0; g < kGroups; g++) {
    const float *group = x + g * Format::kSub;
    const float scale = clamp(nearest(fminf(fits[g].scale * inverse(block.d), kMost)), {0.0f, kMost});
    const float min = clamp(nearest(fminf(-fits[g].offset * inverse(block.m), kMost)), {0.0f, kMost});
    constexpr float kSteps[4] = {0.0f, 1.0f, -1.0f, 2.0f};
    alignas(64) float scales[kCandidates], mins[kCandidates];
    for (int i = 0; i < kCandidates; i++) {
      scales[i] = clamp(scale + kSteps[i % 4], {0.0f, kMost});
      mins[i] = clamp(min + kSteps[i / 4], {0.0f, kMost});
    }
    Lanes scale_lanes = lanes_of(scales), min_lanes = lanes_of(mins);
    for (int part = 0; part < kCandidates / W; part++) {
      scale_lanes[part] = scale_lanes[part] * set1(block.d);
      min_lanes[part] = min_lanes[part] * set1(-block.m);
    }
    const int best = best_candidate(group, Format::kSub, scale_lanes, min_lanes, range);
    block.scale[g] = static_cast<int>(scales[best]);
    block.min[g] = static_cast<int>(mins[best]);
    const float step = inverse(block.d * scales[best]), offset = -block.m * mins[best];
    for (int i = 0; i < Format::kSub; i++)
      block.code[g * Format::kSub + i] = static_cast<uint8_t>(code_of(group[i], step, offset, range));
  }
  Format::encode(to, block);
}

/// The same without minima. The scales have a sign; the one of greatest magnitude becomes the lowest integer.
template <class Format>
requires(Format::kBlock == 256 && !Format::kMins) void quantise_block(uint8_t *to, const float *x) {
  constexpr int kGroups = 256 / Format::kSub;
  constexpr Range range = {Format::kLow, Format::kHigh};
  constexpr Range scale_range = {Format::kLowScale, Format::kHighScale};
  float fits[kGroups];
  for (int g = 0; g < kGroups; g++)
    fits[g] = fit_scale(x + g * Format::kSub, Format::kSub, range, false);
  Quantised block;
  block.d = kept(extreme(fits, kGroups) / scale_range.low + 0.0f); // not -0
  for (int g = 0; g < kGroups; g++) {
    const float *group = x + g * Format::kSub;
    const float scale = nearest(clamp(fits[g] * inverse(block.d), scale_range));
    alignas(64) float scales[kCandidates];
    for (int i = 0; i < kCandidates; i++)
      scales[i] = clamp(scale + static_cast<float>(i % 2 == 0 ? i / 2 : -i / 2 - 1), scale_range);
    Lanes lanes = lanes_of(scales), none = {};
    for (int part = 0; part < kCandidates / W; part++)
      lanes[part] = lanes[part] * set1(block.d);
    block.scale[g] = static_cast<int>(scales[best_candidate(group, Format::kSub, lanes, none, range)]);
    const float step = inverse(block.d * static_cast<float>(block.scale[g]));
    for (int i = 0; i < Format::kSub; i++)
      block.code[g * Format::kSub + i] = static_cast<uint8_t>(code_of(group[i], step, 0.0f, range) + Format::kZero);
  }
  Format::encode(to, block);
}

// ---- rows

/// Up to n elements of a row from `first` on as floats, the last one repeated until there are n.
template <class T> void load_repeating(float *to, const T *row, int64_t first, int64_t cols, int n) {
  for (int i = 0; i < n; i++)
    to[i] = to_float(row[min64(first + i, cols - 1)]);
}

template <class Format, class T> void quantise_row(uint8_t *to, const T *row, int64_t cols) {
  float x[Format::kBlock];
  for (int64_t first = 0; first < cols; first += Format::kBlock, to += Format::kBytes) {
    load_repeating(x, row, first, cols, Format::kBlock);
    quantise_block<Format>(to, x);
  }
}

template <class T> float greatest_magnitude(const T *row, int64_t cols) {
  float most = 0.0f;
  for (int64_t i = 0; i < cols; i++)
    most = fmaxf(most, fabsf(to_float(row[i])));
  return most;
}

template <class T> void quantise_i8_row(int8_t *to, float *scale, const T *row, int64_t cols) {
  const float most = greatest_magnitude(row, cols), factor = inverse(most) * 127.0f;
  *scale = most / 127.0f;
  for (int64_t i = 0; i < cols; i++)
    to[i] = static_cast<int8_t>(nearest(clamp(to_float(row[i]) * factor, {-127.0f, 127.0f})));
}

template <class Float, class T> void quantise_f8_row(uint8_t *to, float *scale, const T *row, int64_t cols) {
  const float most = greatest_magnitude(row, cols);
  *scale = most / Float::kGreatest;
  const float factor = inverse(*scale);
  for (int64_t i = 0; i < cols; i++)
    to[i] = Float::encode(to_float(row[i]) * factor);
}

/// Scale and zero point of one group of I4 by plain rounding: with zero points the codes spread over all elements and
/// 0.
Fit plain_i4(float low, float high, bool zeros) {
  if (high == low)
    return {0.0f, 8.0f};
  if (!zeros)
    return {kept((high > -low ? high : low) / -8.0f), 8.0f};
  const float scale = kept((high - low) / 15.0f);
  return {scale, nearest(clamp(-low * inverse(scale), {0.0f, 15.0f}))};
}

/// The same by search.
Fit fit_i4(const float *x, int n, float low, float high, bool zeros) {
  if (!zeros)
    return {fit_scale(x, n, {-8.0f, 7.0f}, true), 8.0f};
  if (high == low)
    return {0.0f, 8.0f};
  alignas(64) float scales[kCandidates], points[kCandidates], offsets[kCandidates];
  for (int i = 0; i < kCandidates; i++) {
    scales[i] = kept((high - low) / 15.0f * (1.0f - 0.02f * static_cast<float>(i)));
    points[i] = nearest(clamp(-low * inverse(scales[i]), {0.0f, 15.0f}));
    offsets[i] = -scales[i] * points[i];
  }
  const int best = best_candidate(x, n, lanes_of(scales), lanes_of(offsets), {0.0f, 15.0f});
  return {scales[best], points[best]};
}

template <class T> void quantise_i4_row(const aios_qmatrix &to, int64_t r, const T *row) {
  const int64_t groups = ceil_div(to.cols, to.group), bytes = quantised_row_bytes(AIOS_DTYPE_I4, to.cols);
  auto *codes = static_cast<uint8_t *>(to.data) + r * bytes;
  auto *scales = static_cast<uint8_t *>(to.scales) + 2 * r * groups;
  auto *zeros = static_cast<uint8_t *>(to.zeros);
  for (int64_t g = 0; g < groups; g++) {
    // A group may be as long as a row; only what the stack holds is searched.
    constexpr int kMost = 1024;
    const int64_t first = g * to.group, n = min64(to.group, to.cols - first);
    float x[kMost], low = 0.0f, high = 0.0f;
    for (int64_t i = 0; i < n; i++) {
      const float value = to_float(row[first + i]);
      low = fminf(low, value);
      high = fmaxf(high, value);
      if (n <= kMost)
        x[i] = value;
    }
    const Fit fit = n <= kMost ? fit_i4(x, static_cast<int>(n), low, high, zeros != nullptr)
                               : plain_i4(low, high, zeros != nullptr);
    store_half(scales + 2 * g, fit.scale);
    if (zeros != nullptr)
      zeros[r * groups + g] = static_cast<uint8_t>(fit.offset);
    const float scale = inverse(fit.scale);
    for (int64_t block = first; block < first + n; block += 32) {
      load_repeating(x, row, block, to.cols, 32);
      for (int i = 0; i < 32; i++)
        x[i] = nearest(clamp(x[i] * scale + fit.offset, {0.0f, 15.0f}));
      for (int i = 0; i < 16; i++)
        codes[block / 2 + i] = static_cast<uint8_t>(static_cast<int>(x[i]) | static_cast<int>(x[16 + i]) << 4);
    }
  }
}

template <class T> void quantise_row(const aios_qmatrix &to, int64_t r, const T *row) {
  uint8_t *codes = static_cast<uint8_t *>(to.data) + r * quantised_row_bytes(to.format, to.cols);
  float *scale = static_cast<float *>(to.scales) + r;
  if (to.format == AIOS_DTYPE_I8)
    quantise_i8_row(reinterpret_cast<int8_t *>(codes), scale, row, to.cols);
  else if (to.format == AIOS_DTYPE_F8E4M3)
    quantise_f8_row<F8E4M3>(codes, scale, row, to.cols);
  else if (to.format == AIOS_DTYPE_F8E5M2)
    quantise_f8_row<F8E5M2>(codes, scale, row, to.cols);
  else if (to.format == AIOS_DTYPE_I4)
    quantise_i4_row(to, r, row);
  else
    with_block_format(to.format, [&](auto f) { quantise_row<decltype(f)>(codes, row, to.cols); });
}

} // namespace

int64_t aios_quantized_row_bytes(aios_dtype format, int64_t cols) {
  if (const aios_status status = check_extents("aios_quantized_row_bytes", {{"cols", cols}}))
    return -static_cast<int64_t>(status);
  const int64_t bytes = quantised_row_bytes(format, cols);
  if (bytes < 0)
    return -static_cast<int64_t>(fail(AIOS_STATUS_UNIMPLEMENTED,
                                      "aios_quantized_row_bytes: dtype %d is not a format of quantised weights",
                                      static_cast<int>(format)));
  return bytes;
}

aios_status aios_quantize(aios_stream stream, const aios_qmatrix *out, const void *a, aios_dtype dtype) {
  if (const aios_status status = check_qmatrix("aios_quantize", out))
    return status;
  return with_type("aios_quantize", dtype, [&](auto element) {
    using T = decltype(element);
    return enqueue(stream, [to = *out, a = static_cast<const T *>(a)](Team &team) {
      parallel_ranges(team, to.rows, 16 * to.cols, 1, [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; r++)
          quantise_row(to, r, a + r * to.cols);
      });
    });
  });
}

aios_status aios_dequantize(aios_stream stream, void *out, const aios_qmatrix *a, aios_dtype dtype) {
  if (const aios_status status = check_qmatrix("aios_dequantize", a))
    return status;
  return with_type("aios_dequantize", dtype, [&](auto element) {
    using T = decltype(element);
    return enqueue(stream, [from = *a, out = static_cast<T *>(out)](Team &team) {
      parallel_ranges(team, from.rows, from.cols, 1, [&](int64_t begin, int64_t end) {
        float x[kMaxBlock];
        for (int64_t r = begin; r < end; r++)
          for (int64_t first = 0; first < from.cols; first += kMaxBlock) {
            const int64_t n = min64(kMaxBlock, from.cols - first);
            dequantise(x, from, r, first, n);
            for_vectors(
                n, [&](int64_t i, auto lanes) { store(out + r * from.cols + first + i, load(x + i, lanes), lanes); });
          }
      });
    });
  });
}

} // namespace aios::AIOS_ISA

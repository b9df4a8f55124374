// How gemm.cpp cuts a product into pieces. Everything here is a function of the descriptor and of the instruction set,
// so that a workspace fits whatever the number of workers, and a packed B fits every product with the same n and k.
#pragma once

#include "gemm_few.h"
#include "gemm_tile.h"
#include "launch.h"

namespace aios::AIOS_ISA {

/// Longest stretch of k, in words, that a strip of B is packed for at a time: 36 KiB with AVX-512, what the L1 cache of
/// today's cores holds beside the panels of A. Other stretches are multiples of a vector, so that packing has whole
/// blocks.
constexpr int64_t kStretch = 192;

/// Longest block of k in words, and most words of A in one phase: 8 MiB stay in L3 on anything but the smallest
/// machines.
constexpr int64_t kBlockK = 4096;
constexpr int64_t kPhaseWords = int64_t{2} << 20;

/// Most rows whose unfinished sums wait in the worker's scratch memory, beside the strip of B.
constexpr int64_t kSumRows = 1024;
static_assert(((kStretch + 1) * kTileCols + kSumRows * kTileCols) * sizeof(float) <= kScratchBytes);

/// The direct path takes at most so many elements of A and of B, fewer where each task packs its strip of B, and so
/// long a sum. Narrow tiles read A more often, so for them packing it pays sooner.
constexpr int64_t kDirectElements = int64_t{W} << 14, kDirectPacked = 1 << 16;
constexpr int64_t kDirectDepth = 512;

constexpr int64_t divide_up(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}
constexpr int64_t round_up(int64_t a, int64_t b) {
  return divide_up(a, b) * b;
}
constexpr int64_t smaller(int64_t a, int64_t b) {
  return a < b ? a : b;
}
constexpr int64_t larger(int64_t a, int64_t b) {
  return a > b ? a : b;
}

enum class Path {
  Few,    ///< At most kFewRows rows of numbers: gemm_few.h.
  Direct, ///< Small: A, and B where its rows are the rows of memory, are read where they lie.
  Blocked ///< A is packed into the workspace, B stretch by stretch into scratch memory, or by aios_gemm_pack.
};

struct Plan {
  Path path;
  int64_t words;    ///< Words of k.
  int64_t stretch;  ///< Words of every stretch but the last.
  int64_t depth;    ///< Words of a block of k, a multiple of the stretch.
  int64_t batches;  ///< Products of one phase.
  int64_t rows;     ///< Rows of A of one phase, a multiple of the panel.
  int64_t vectors;  ///< Vectors of columns,
  int64_t strips;   ///< shared out evenly over so many strips.
  bool offset;      ///< A packed stretch of B begins with a row of initial sums.
  bool partial;     ///< Unfinished sums of a phase wait in the workspace.
  bool copies_left; ///< A of the path for few rows is packed.

  int64_t first_vector(int64_t strip) const { return strip * vectors / strips; }

  /// Where a stretch of a packed B starts, in words from the start of the product.
  int64_t packed_b(int64_t strip, int64_t k) const {
    const int64_t width = (first_vector(strip + 1) - first_vector(strip)) * W;
    return first_vector(strip) * W * packed_depth() + (k + offset * (k / larger(stretch, 1))) * width;
  }
  int64_t packed_depth() const { return words + offset * divide_up(words, larger(stretch, 1)); }
  int64_t packed_words() const { return vectors * W * packed_depth(); }

  /// Words of A that are packed for one phase, and bytes of the workspace.
  int64_t left() const {
    return path == Path::Blocked || (path == Path::Few && copies_left) ? batches * rows * depth : 0;
  }
  int64_t bytes() const {
    return (round_up(left(), 16) + (partial ? rows * vectors * W : 0)) * static_cast<int64_t>(sizeof(float));
  }
};

inline int64_t group_of(aios_dtype dtype) {
  return dtype == AIOS_DTYPE_I8 ? I8Family::kGroup : dtype == AIOS_DTYPE_BF16 ? Bf16Family::kGroup : 1;
}

/// Whether the direct path reads B where it lies: its rows are whole vectors.
inline bool reads_right(const aios_gemm_desc &d) {
  return d.trans_b == 0 && d.n % W == 0 && d.k * d.ldb <= 2 * kDirectElements;
}

inline Path path_of(const aios_gemm_desc &d) {
  if (d.packed_b || d.dtype == AIOS_DTYPE_I8)
    return Path::Blocked;
  if (d.m <= kFewRows)
    return Path::Few;
  const int64_t most = reads_right(d) ? kDirectElements : kDirectPacked;
  const bool small = d.dtype == AIOS_DTYPE_F32 && d.k <= kDirectDepth && d.m * d.k <= most && d.n * d.k <= most &&
                     (d.trans_a ? d.k : d.m) * d.lda <= 2 * most;
  return small ? Path::Direct : Path::Blocked;
}

inline Plan plan_of(const aios_gemm_desc &d) {
  Plan plan{};
  if (d.m == 0 || d.n == 0 || d.batch == 0)
    return plan;
  plan.path = path_of(d);
  plan.words = plan.path == Path::Blocked ? divide_up(d.k, group_of(d.dtype)) : d.k;
  plan.stretch = plan.words == 0 ? 0 : round_up(divide_up(plan.words, divide_up(plan.words, kStretch)), W);
  plan.depth = smaller(plan.words, kBlockK / larger(plan.stretch, 1) * plan.stretch);
  plan.vectors = divide_up(d.n, W);
  plan.strips = divide_up(plan.vectors, kTileVectors);
  plan.offset = d.dtype == AIOS_DTYPE_I8 && I8Family::kOffset;
  if (plan.path == Path::Few) {
    plan.rows = few_rows(d.m);
    plan.depth = plan.words;
    plan.copies_left = d.dtype != AIOS_DTYPE_F32 || d.m != plan.rows || (d.trans_a && d.trans_b);
  } else {
    // All chunks of rows are about equally long.
    const int64_t most = larger(kPhaseWords / larger(plan.depth, 1), 32 * kTileRows);
    plan.rows = round_up(divide_up(d.m, divide_up(d.m, most)), kTileRows);
    plan.partial = plan.depth < plan.words;
  }
  const bool whole = plan.rows >= d.m && !plan.partial;
  plan.batches = whole ? larger(1, smaller(d.batch, kPhaseWords / larger(plan.rows * plan.depth, 1))) : 1;
  return plan;
}

/// The plan of a B that is packed, whatever it is multiplied by.
inline Plan packed_plan_of(aios_gemm_desc d) {
  d.m = 1;
  d.packed_b = 1;
  return plan_of(d);
}

/// Cuts `work` pieces in a row into ranges that are handed out one after the other: at first each worker gets a large
/// one, at the end small ones, so that all workers end together. Large ranges are multiples of `unit`.
class Ranges {
public:
  Ranges(int64_t work, int64_t unit, int threads) : work_(work), unit_(unit), threads_(threads) {}

  int64_t count() const {
    int64_t count = 0, left = work_;
    while (left > 0) {
      const int64_t size = next(left);
      const int64_t ranges = smaller(threads_, divide_up(left, size));
      count += ranges;
      left -= smaller(left, ranges * size);
    }
    return count;
  }

  struct Range {
    int64_t begin, end;
  };
  Range at(int64_t index) const {
    int64_t begin = 0;
    for (;;) {
      const int64_t size = next(work_ - begin);
      if (index < threads_)
        return {begin + index * size, smaller(begin + (index + 1) * size, work_)};
      begin += threads_ * size;
      index -= threads_;
    }
  }

private:
  /// Half of what is left is handed out in one round.
  int64_t next(int64_t left) const {
    const int64_t size = divide_up(left, 2 * threads_);
    return larger(size >= unit_ ? round_up(size, unit_) : size, smaller(8, unit_));
  }

  int64_t work_, unit_, threads_;
};

} // namespace aios::AIOS_ISA

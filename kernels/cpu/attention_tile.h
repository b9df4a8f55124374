// What attention forward and backward share: blocks of queries and keys as binary32 in a worker's scratch memory, and
// products of such blocks.
//
// Scores are kept transposed, [key][query]: the queries are the lanes. The maximum and the sum of a softmax then run
// down the lanes without a horizontal step, and the probabilities are the left operand of P V as they are.
#pragma once

#include "aios_kernels.h"
#include "dot/gemm_tile.h"
#include "loops.h"

namespace aios::AIOS_ISA {

/// Queries and keys of a block. 64 x 64 scores, keys and values of 64 elements together fill the L1 cache.
constexpr int kQueries = 64;
constexpr int kKeys = 64;

/// exp(x) where |x| is small or the result is next to nothing: the rounding of the product is a relative error of |x|
/// ulp.
AIOS_INLINE VF weight(VF x) {
  return exp2(x * set1(1.44269504f));
}

constexpr int round_up_lanes(int64_t n) {
  return static_cast<int>((n + W - 1) / W * W);
}

/// A product of blocks: element i, k of the left operand is a[i * row_step + k * k_step]; `cols`, which count the
/// columns of b, are a multiple of W. Of the sum over k < depth, row i takes part in a range that moves with it:
/// i - before <= k < i + reach; what lies outside of it counts as 0 and may or may not be added.
struct BlockProduct {
  const float *a;
  int64_t row_step, k_step;
  const float *b;
  int64_t b_pitch;
  int rows, cols, depth;
  int before = 1 << 20, reach = 1 << 20;
};

/// One tile of a product. out.expect(row, col) is called before it is computed, out.take(sums, row, col) after.
template <int Rows, int Vectors, class Out>
AIOS_INLINE void block_tile(const BlockProduct &p, int row, int col, const Out &out) {
  const int begin = row > p.before ? row - p.before : 0, end = row + Rows - 1 + p.reach;
  VF acc[Rows][Vectors];
#pragma GCC unroll 32
  for (int i = 0; i < Rows; i++)
#pragma GCC unroll 16
    for (int j = 0; j < Vectors; j++)
      acc[i][j] = zero();
  out.template expect<Rows, Vectors>(row, col);
  multiply(acc, p.a + row * p.row_step + begin * p.k_step, p.row_step, p.k_step, p.b + begin * p.b_pitch + col,
           p.b_pitch, (end < p.depth ? end : p.depth) - begin);
  out.take(acc, row, col);
}

template <int Rows, int Vectors, class Out> static void block_columns(const BlockProduct &p, int col, const Out &out) {
  int row = 0;
  for (; row + Rows <= p.rows; row += Rows)
    block_tile<Rows, Vectors>(p, row, col, out);
  for (; row + 4 <= p.rows; row += 4)
    block_tile<4, Vectors>(p, row, col, out);
  for (; row < p.rows; row++)
    block_tile<1, Vectors>(p, row, col, out);
}

/// Computes a product tile by tile; every sum is in the order of k.
template <class Out> static void multiply_blocks(const BlockProduct &p, const Out &out) {
  constexpr int kVectors = kRegisters == 32 ? 4 : 2;
  constexpr int kAccumulators = kRegisters == 32 ? 24 : W == 8 ? 12 : 8;
  int col = 0;
  for (; col + kVectors * W <= p.cols; col += kVectors * W)
    block_columns<kAccumulators / kVectors, kVectors>(p, col, out);
  if constexpr (kVectors == 4) {
    if (col + 3 * W == p.cols)
      return block_columns<kAccumulators / 3, 3>(p, col, out);
    if (col + 2 * W == p.cols)
      return block_columns<kAccumulators / 2, 2>(p, col, out);
  }
  if (col < p.cols)
    block_columns<W == 16 ? 16 : 8, 1>(p, col, out);
}

/// Adds a product to rows in memory.
struct AddTo {
  float *c;
  int64_t pitch;

  template <int Rows, int Vectors> __attribute__((AIOS_ALWAYS_INLINE)) void expect(int row, int col) const {
#pragma GCC unroll 32
    for (int i = 0; i < Rows; i++)
#pragma GCC unroll 16
      for (int j = 0; j < Vectors * W; j += 16)
        __builtin_prefetch(c + (row + i) * pitch + col + j, 1);
  }
  template <int Rows, int Vectors>
  __attribute__((AIOS_ALWAYS_INLINE)) void take(const VF (&sum)[Rows][Vectors], int row, int col) const {
#pragma GCC unroll 32
    for (int i = 0; i < Rows; i++)
#pragma GCC unroll 16
      for (int j = 0; j < Vectors; j++) {
        float *p = c + (row + i) * pitch + col + j * W;
        store(p, load(p, Full{}) + sum[i][j], Full{});
      }
  }
};

/// Which scores of a block the causal mask leaves: query i sees key j while j <= i + limit. Whole strips of kStrip keys
/// or queries that are hidden are not computed; what else is hidden has probability 0.
struct Visible {
  static constexpr int kStrip = 16;

  int keys;
  bool masked; // whether anything is hidden
  int limit;

  Visible(int64_t first_query, int64_t first_key, int keys_, bool causal)
      : keys(keys_), masked(causal && first_key + keys_ - 1 > first_query),
        limit(static_cast<int>(masked ? first_query - first_key : 0)) {}

  /// Strips of the products of this block.
  int strip() const { return masked ? kStrip : kQueries; }

  /// The first query, a multiple of a strip, that sees one of the keys from the strip at `key`.
  int first_query(int key) const { return masked && key > limit ? (key - limit) / kStrip * kStrip : 0; }

  /// Keys of the strips that queries of the strip of `query` see.
  int keys_of(int query) const {
    if (!masked)
      return keys;
    const int end = query / kStrip * kStrip + kStrip + limit;
    return end <= 0 ? 0 : end >= keys ? keys : static_cast<int>(min64(keys, (end + kStrip - 1) / kStrip * kStrip));
  }
};
static_assert(kQueries == kKeys && Visible::kStrip % W == 0);

/// The sums over d of keys[key][d] * queries[d][query] for what is visible, for every strip of keys from its first
/// query on: make(key, query) gives what takes them, with rows and columns counted from there.
template <class Make>
static void score_block(const Visible &visible, const float *keys, int pitch, const float *queries, int lanes,
                        int64_t dim, const Make &make) {
  for (int key = 0; key < visible.keys; key += visible.strip()) {
    const int first = visible.first_query(key);
    if (first < lanes)
      multiply_blocks({keys + key * pitch, pitch, 1, queries + first, kQueries,
                       static_cast<int>(min64(visible.strip(), visible.keys - key)), lanes - first,
                       static_cast<int>(dim)},
                      make(key, first));
  }
}

/// sums[query][d] += sum over keys of scores[key][query] * rows[key][d].
[[maybe_unused]] static void add_over_keys(float *sums, const Visible &visible, const float *scores, const float *rows,
                                           int pitch, int queries) {
  for (int query = 0; query < queries; query += visible.strip()) {
    BlockProduct p{scores + query, 1,
                   kQueries,       rows,
                   pitch,          static_cast<int>(min64(visible.strip(), queries - query)),
                   pitch,          visible.keys_of(query)};
    if (visible.masked)
      p.reach = query + visible.limit + 1;
    multiply_blocks(p, AddTo{sums + query * pitch, pitch});
  }
}

/// sums[key][d] += sum over queries of scores[key][query] * rows[query][d].
[[maybe_unused]] static void add_over_queries(float *sums, const Visible &visible, const float *scores,
                                              const float *rows, int pitch, int queries) {
  for (int key = 0; key < visible.keys; key += visible.strip()) {
    BlockProduct p{scores + key * kQueries,
                   kQueries,
                   1,
                   rows,
                   pitch,
                   static_cast<int>(min64(visible.strip(), visible.keys - key)),
                   pitch,
                   queries};
    if (visible.masked)
      p.before = visible.limit - key;
    multiply_blocks(p, AddTo{sums + key * pitch, pitch});
  }
}

/// The first W natural numbers.
AIOS_INLINE VF lane_numbers() {
  float lane[W];
  for (int i = 0; i < W; i++)
    lane[i] = static_cast<float>(i);
  return load(lane, Full{});
}

/// Gives the hidden scores of a tile at `key`, `query` the value -infinity.
template <int Rows, int Vectors>
AIOS_INLINE void hide(VF (&scores)[Rows][Vectors], const Visible &visible, int key, int query) {
  if (!visible.masked)
    return;
  const VF last = lane_numbers() + set1(static_cast<float>(query + visible.limit));
#pragma GCC unroll 32
  for (int i = 0; i < Rows; i++)
#pragma GCC unroll 16
    for (int j = 0; j < Vectors; j++)
      scores[i][j] = select(lt(last, set1(static_cast<float>(key + i - j * W))), set1(-INFINITY), scores[i][j]);
}

/// Copies `rows` rows of `dim` elements to rows of `pitch` floats, zero beyond `dim`.
template <class T>
static void stage_rows(float *to, int pitch, const T *from, int64_t stride, int64_t rows, int64_t dim) {
  for (int64_t i = 0; i < rows; i++) {
    for_vectors(dim,
                [&](int64_t d, auto lanes) { store(to + i * pitch + d, load(from + i * stride + d, lanes), Full{}); });
  }
}

/// Copies `rows` rows of `dim` elements, times `factor`, to the columns of to[dim][kQueries], zero up to `lanes`.
template <class T>
[[gnu::flatten]] static void stage_columns(float *to, const T *from, int64_t stride, int rows, int lanes, int64_t dim,
                                           float factor) {
  for (int row = 0; row < lanes; row += W)
    for_vectors(dim, [&](int64_t d, auto n) {
      VU block[W];
#pragma GCC unroll 16
      for (int i = 0; i < W; i++)
        block[i] = row + i < rows ? (VU)(load(from + (row + i) * stride + d, n) * set1(factor)) : VU{};
      transpose(block);
      const int64_t left = min64(W, dim - d);
      float *column = to + d * kQueries + row;
#pragma GCC unroll 16
      for (int i = 0; i < W; i++)
        if (i < left)
          store(column + i * kQueries, (VF)block[i], Full{});
    });
}

/// Blocks of floats, one after the other, in a worker's scratch memory; each starts at a cache line.
class Arena {
public:
  explicit Arena(void *memory) : next_(static_cast<float *>(memory)) {}
  float *take(int64_t floats) {
    float *block = next_;
    next_ += (floats + 15) / 16 * 16;
    return block;
  }

private:
  float *next_;
};

/// Where one head's rows start, and how far they are apart.
template <class T> struct Rows {
  T *data;
  int64_t stride;
  T *operator[](int64_t row) const { return data + row * stride; }
};

template <class T> AIOS_INLINE Rows<T> head_rows(T *data, const int64_t (&stride)[3], int64_t batch, int64_t head) {
  return {data + batch * stride[0] + head * stride[1], stride[2]};
}

/// Checks everything that both directions need; `op` names the caller.
} // namespace aios::AIOS_ISA

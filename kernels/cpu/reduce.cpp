// aios_reduce: out[o][i] = sum, mean, maximum or minimum over r < n of a[o][r][i]; a is [outer][n][inner].
// aios_argmax: index of the first greatest a[o][r][i]; the first NaN counts as greatest.
//
// Sums are kept in double. n is cut into chunks whose length depends on the shape only; each chunk leaves one value
// per output in the workspace ([outer][chunks][inner] doubles), and these are joined in chunk order. So a single sum
// over everything runs on all workers, and its bits do not depend on how many there are.
#include "loops.h"

namespace aios::AIOS_ISA {

namespace {

constexpr int64_t kColumns = 256;       // outputs of one task when inner > 1
constexpr int64_t kSmallestChunk = 256; // rows: bounds the workspace to a small part of the input

/// Rows of a chunk: enough that a task has some work.
int64_t chunk_rows(int64_t inner) {
  return max64(kSmallestChunk, 4 * kTaskElements / max64(1, min64(inner, kColumns)));
}

int64_t chunk_count(int64_t n, int64_t inner) {
  return max64(1, ceil_div(n, chunk_rows(inner)));
}

/// How partial results arise and join. `State` holds W of them.
struct Sum {
  using State = VD;
  static State start() { return zero_double(); }
  static void add(State &s, VF x) { accumulate(s, x); }
  template <class Lanes> static VF outside(VF x, Lanes lanes) { return replace_rest(x, zero(), lanes); }
  static void merge(State &s, const State &other) { accumulate(s, other); }
  static double reduce(const State &s) { return reduce_add(s); }
  static void put(double *p, const State &s) { store(p, s); }
  static double join(double a, double b) { return a + b; }
  static constexpr double kEmpty = 0.0;
};

struct Extremum {
  VF value;
};

template <bool Greatest> struct Extreme {
  using State = Extremum;
  static State start() { return {set1(static_cast<float>(kEmpty))}; }
  static void add(State &s, VF x) { s.value = Greatest ? max_nan(x, s.value) : min_nan(x, s.value); }
  template <class Lanes> static VF outside(VF x, Lanes lanes) {
    return replace_rest(x, set1(static_cast<float>(kEmpty)), lanes);
  }
  static void merge(State &s, const State &other) { add(s, other.value); }
  static double reduce(const State &s) {
    double lane[W], result = kEmpty;
    put(lane, s);
    for (int i = 0; i < W; i++)
      result = join(result, lane[i]);
    return result;
  }
  static void put(double *p, const State &s) {
    float lane[W];
    store(lane, s.value, Full{});
    for (int i = 0; i < W; i++)
      p[i] = static_cast<double>(lane[i]);
  }
  static double join(double a, double b) { return b != b || (Greatest ? b > a : b < a) ? b : a; }
  static constexpr double kEmpty = Greatest ? -INFINITY : INFINITY;
};

template <class T, class Op> struct Reduce {
  T *out;
  const T *a;
  double *partial;
  int64_t outer, n, inner;
  double divisor; // of the sum
  bool add;

  void operator()(Team &team) const {
    const int64_t chunks = chunk_count(n, inner), rows = chunk_rows(inner);
    if (inner == 1 && chunks == 1) // short rows: nothing to compute per row but its sum
      return parallel_ranges(team, outer, n, 1, [this](int64_t begin, int64_t end) {
        for (int64_t o = begin; o < end; o++) {
          const double result = dense(a + o * n, n);
          finish(o, &result, 1);
        }
      });
    const int64_t width = min64(inner, kColumns), blocks = ceil_div(inner, max64(1, width));
    parallel_ranges(team, outer * chunks * blocks, min64(n, rows) * width, 1, [=, this](int64_t begin, int64_t end) {
      for (int64_t task = begin; task < end; task++) {
        const int64_t o = task / (chunks * blocks), chunk = task / blocks % chunks, column = task % blocks * width;
        const int64_t row = chunk * rows, count = min64(rows, n - row), m = min64(width, inner - column);
        double result[kColumns + W];
        const T *from = a + (o * n + row) * inner + column;
        if (inner == 1)
          result[0] = dense(from, count);
        else
          columns(result, from, count, m);
        if (chunks == 1)
          finish(o * inner + column, result, m);
        else
          memcpy(partial + (o * chunks + chunk) * inner + column, result, sizeof(double) * static_cast<size_t>(m));
      }
    });
    if (chunks > 1)
      parallel_ranges(team, outer * blocks, chunks * width, 1, [=, this](int64_t begin, int64_t end) {
        for (int64_t task = begin; task < end; task++) {
          const int64_t o = task / blocks, column = task % blocks * width, m = min64(width, inner - column);
          double result[kColumns];
          for (int64_t i = 0; i < m; i++)
            result[i] = Op::kEmpty;
          for (int64_t chunk = 0; chunk < chunks; chunk++)
            for (int64_t i = 0; i < m; i++)
              result[i] = Op::join(result[i], partial[(o * chunks + chunk) * inner + column + i]);
          finish(o * inner + column, result, m);
        }
      });
  }

  /// Reduction of `count` neighbours, in four interleaved vectors.
  static double dense(const T *from, int64_t count) {
    typename Op::State state[4] = {Op::start(), Op::start(), Op::start(), Op::start()};
    int64_t i = 0;
    for (; i + 4 * W <= count; i += 4 * W)
      for (int k = 0; k < 4; k++)
        Op::add(state[k], load(from + i + k * W, Full{}));
    for_vectors(count - i,
                [&](int64_t j, auto lanes) { Op::add(state[0], Op::outside(load(from + i + j, lanes), lanes)); });
    Op::merge(state[0], state[1]);
    Op::merge(state[2], state[3]);
    Op::merge(state[0], state[2]);
    return Op::reduce(state[0]);
  }

  /// Reductions of m <= kColumns columns over `count` rows.
  void columns(double *result, const T *from, int64_t count, int64_t m) const {
    constexpr int kTogether = 4; // vectors of columns that one walk down the rows takes
    int64_t c = 0;
    for (; c + kTogether * W <= m; c += kTogether * W)
      walk<kTogether>(result + c, from + c, count, Full{});
    for_vectors(m - c, [&](int64_t j, auto lanes) { walk<1>(result + c + j, from + c + j, count, lanes); });
  }

  template <int K, class Lanes> void walk(double *result, const T *from, int64_t count, Lanes lanes) const {
    typename Op::State state[K];
    for (int k = 0; k < K; k++)
      state[k] = Op::start();
    for (int64_t r = 0; r < count; r++)
      for (int k = 0; k < K; k++)
        Op::add(state[k], load(from + r * inner + k * W, lanes));
    for (int k = 0; k < K; k++)
      Op::put(result + k * W, state[k]);
  }

  void finish(int64_t at, const double *result, int64_t m) const {
    for (int64_t i = 0; i < m; i++) {
      const double before = add ? static_cast<double>(to_float(out[at + i])) : 0.0;
      store_one(out + at + i, static_cast<float>(add ? before + result[i] / divisor : result[i] / divisor));
    }
  }
};

template <class T> struct ArgMax {
  int32_t *out;
  const T *a;
  int64_t outer, n, inner;

  void operator()(Team &team) const {
    const int64_t width = min64(inner, kColumns), blocks = ceil_div(inner, max64(1, width));
    parallel_ranges(team, outer * blocks, n * width, 1, [=, this](int64_t begin, int64_t end) {
      for (int64_t task = begin; task < end; task++) {
        const int64_t o = task / blocks, column = task % blocks * width;
        const T *from = a + o * n * inner + column;
        if (inner == 1)
          out[o] = dense(from);
        else
          columns(out + o * inner + column, from, min64(width, inner - column));
      }
    });
  }

  static bool greater(float x, float best) { return x > best || (x != x && best == best); }

  /// Finds the vectors that hold something greater, and looks only into these.
  int32_t dense(const T *from) const {
    float best = to_float(from[0]);
    int64_t index = 0;
    for_vectors(n, [&](int64_t i, auto lanes) {
      const VF x = replace_rest(load(from + i, lanes), set1(-INFINITY), lanes);
      if (best == best && any_not_le(x, set1(best)))
        for (int64_t j = i; j < min64(n, i + W); j++)
          if (const float y = to_float(from[j]); greater(y, best)) {
            best = y;
            index = j;
          }
    });
    return static_cast<int32_t>(index);
  }

  void columns(int32_t *to, const T *from, int64_t m) const {
    float best[kColumns];
    for (int64_t i = 0; i < m; i++) {
      best[i] = to_float(from[i]);
      to[i] = 0;
    }
    for (int64_t r = 1; r < n; r++)
      for (int64_t i = 0; i < m; i++)
        if (const float x = to_float(from[r * inner + i]); greater(x, best[i])) {
          best[i] = x;
          to[i] = static_cast<int32_t>(r);
        }
  }
};

} // namespace

int64_t aios_reduce_workspace_size(int64_t outer, int64_t n, int64_t inner, aios_reduce_op, aios_dtype) {
  if (const aios_status status =
          check_extents("aios_reduce_workspace_size", {{"outer", outer}, {"n", n}, {"inner", inner}}))
    return -status;
  const int64_t chunks = chunk_count(n, inner);
  return chunks > 1 ? outer * chunks * inner * static_cast<int64_t>(sizeof(double)) : 0;
}

aios_status aios_reduce(aios_stream stream, void *out, const void *a, void *workspace, int64_t workspace_bytes,
                        int64_t outer, int64_t n, int64_t inner, aios_reduce_op op, int32_t accumulate,
                        aios_dtype dtype) {
  if (const aios_status status = check_reduce(outer, n, inner, op, accumulate))
    return status;
  if (const aios_status status = check_workspace("aios_reduce", workspace, workspace_bytes,
                                                 aios_reduce_workspace_size(outer, n, inner, op, dtype)))
    return status;
  return with_type("aios_reduce", dtype, [&](auto type) {
    using T = decltype(type);
    const double divisor = op == AIOS_REDUCE_MEAN ? static_cast<double>(n) : 1.0;
    const auto start = [&](auto how) {
      return enqueue(stream, Reduce<T, decltype(how)>{static_cast<T *>(out), static_cast<const T *>(a),
                                                      static_cast<double *>(workspace), outer, n, inner, divisor,
                                                      accumulate != 0});
    };
    return op == AIOS_REDUCE_MAX   ? start(Extreme<true>{})
           : op == AIOS_REDUCE_MIN ? start(Extreme<false>{})
                                   : start(Sum{});
  });
}

aios_status aios_argmax(aios_stream stream, int32_t *out, const void *a, int64_t outer, int64_t n, int64_t inner,
                        aios_dtype dtype) {
  if (const aios_status status = check_argmax(outer, n, inner))
    return status;
  return with_type("aios_argmax", dtype, [&](auto type) {
    using T = decltype(type);
    return enqueue(stream, ArgMax<T>{out, static_cast<const T *>(a), outer, n, inner});
  });
}

} // namespace aios::AIOS_ISA

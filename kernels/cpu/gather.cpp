// aios_gather:      out[o][j][:] = a[o][ids[j]][:]; a is [outer][axis][inner], out [outer][count][inner].
// aios_scatter_add: out[o][ids[j]][:] += a[o][j][:] in the order of j; the gradient of gather.
//
// Scatter gives each task outputs that no other task touches (a block of columns, or the ids of one residue class
// when rows are short), and every task walks j upward: the order of additions is that of the formula on any number
// of threads. A bf16 row is summed in binary32 and rounded once: rounding each sum would lose the small additions to a
// row that is met often. An id outside 0 .. axis - 1 fails the stream, names its position, and its row is left alone.
#include "loops.h"

namespace aios::AIOS_ISA {

namespace {

AIOS_INLINE bool check_id(Team &team, int64_t position, int32_t id, int64_t axis) {
  if (id >= 0 && id < axis)
    return true;
  team.fail(AIOS_STATUS_EXECUTION_FAILED, "ids[%lld] is %d, but the axis has %lld rows",
            static_cast<long long>(position), static_cast<int>(id), static_cast<long long>(axis));
  return false;
}

template <class T> struct Gather {
  T *out;
  const T *a;
  const int32_t *ids;
  int64_t outer, axis, inner, count;

  void operator()(Team &team) const {
    parallel_ranges(team, outer * count, inner, 1, [this, &team](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; row++) {
        const int64_t o = row / count, j = row - o * count;
        const int32_t id = ids[j];
        if (!check_id(team, j, id, axis))
          continue;
        const T *from = a + (o * axis + id) * inner;
        T *to = out + row * inner;
        if (inner == 1)
          *to = *from;
        else
          memcpy(to, from, sizeof(T) * static_cast<size_t>(inner));
      }
    });
  }
};

/// Ids whose lists fit a worker's scratch memory.
constexpr int64_t kPiece = int64_t{1} << 17;
static_assert(2 * kPiece * sizeof(int32_t) <= kScratchBytes);

/// Where each id is found again: lists by a hash of the id, in ascending order.
class Places {
public:
  Places(void *scratch, const int32_t *ids, int64_t count)
      : ids_(ids), head_(static_cast<int32_t *>(scratch)), next_(head_ + kPiece) {
    while ((int64_t{1} << bits_) < count)
      bits_++;
    memset(head_, 0xff, sizeof(int32_t) << bits_);
    for (int64_t j = count - 1; j >= 0; j--) {
      int32_t &head = head_[hash(ids[j])];
      next_[j] = head;
      head = static_cast<int32_t>(j);
    }
  }

  /// True when no earlier place has the id of place j.
  bool is_first(int64_t j) const { return find(head_[hash(ids_[j])], ids_[j]) == j; }

  /// The next place with the id of place j, or -1.
  int32_t after(int32_t j) const { return find(next_[j], ids_[j]); }

private:
  int64_t hash(int32_t id) const { return static_cast<uint32_t>(id) * 0x9e3779b1u >> (32 - bits_); }

  int32_t find(int32_t j, int32_t id) const {
    while (j >= 0 && ids_[j] != id)
      j = next_[j];
    return j;
  }

  const int32_t *ids_;
  int32_t *head_, *next_;
  int bits_ = 1;
};

template <class T> struct ScatterAdd {
  T *out;
  const T *a;
  const int32_t *ids;
  int64_t outer, axis, inner, count;

  void operator()(Team &team) const {
    constexpr int64_t kColumns = 64; // a task's block of columns is a multiple of this: whole cache lines
    if (outer == 0 || inner == 0)
      return;
    for (int64_t j = 0; j < count; j++)
      if (!check_id(team, j, ids[j], axis))
        return;
    const int64_t useful = min64(ceil_div(outer * count * inner, kTaskElements), int64_t{4} * team.threads());
    const int64_t per_outer = max64(1, ceil_div(useful, max64(1, outer)));
    const int64_t blocks = min64(per_outer, max64(1, inner / kColumns));
    const int64_t width = ceil_div(ceil_div(inner, blocks), kColumns) * kColumns;
    const int64_t columns = max64(1, ceil_div(inner, width));
    const int64_t classes = ceil_div(per_outer, columns);
    if constexpr (sizeof(T) < sizeof(float)) {
      team.parallel_for(outer * columns * classes, [=, this, &team](int64_t task, int worker) {
        sum_block(team.scratch(worker), task / (columns * classes), task / classes % columns * width, width,
                  task % classes, classes);
      });
      return;
    }
    const int64_t weight = ceil_div(count * width, classes);
    parallel_ranges(team, outer * columns * classes, weight, 1, [=, this](int64_t first, int64_t last) {
      for (int64_t task = first; task < last; task++)
        block(task / (columns * classes), task / classes % columns * width, width, task % classes, classes);
    });
  }

  /// All additions of slice `o` to the columns from `begin` whose id is `residue` modulo `classes`.
  void block(int64_t o, int64_t begin, int64_t width, int64_t residue, int64_t classes) const {
    const int64_t n = min64(inner - begin, width);
    for (int64_t j = 0; j < count; j++) {
      const int32_t id = ids[j];
      if (classes > 1 && id % static_cast<int32_t>(classes) != residue)
        continue;
      T *to = out + (o * axis + id) * inner + begin;
      const T *from = a + (o * count + j) * inner + begin;
      if (n == 1)
        store_one(to, to_float(*to) + to_float(*from));
      else
        for_vectors(n,
                    [&](int64_t i, auto lanes) { store(to + i, load(to + i, lanes) + load(from + i, lanes), lanes); });
    }
  }

  /// The same with the additions to a row together, rounded once for each piece of ids.
  void sum_block(void *scratch, int64_t o, int64_t begin, int64_t width, int64_t residue, int64_t classes) const {
    const int64_t n = min64(inner - begin, width);
    for (int64_t piece = 0; piece < count; piece += kPiece) {
      const int64_t length = min64(kPiece, count - piece);
      const Places places(scratch, ids + piece, length);
      const T *from = a + (o * count + piece) * inner + begin;
      for (int64_t j = 0; j < length; j++) {
        const int32_t id = ids[piece + j];
        if (id % static_cast<int32_t>(classes) != residue || !places.is_first(j))
          continue;
        T *to = out + (o * axis + id) * inner + begin;
        for_vectors(n, [&](int64_t i, auto lanes) {
          VF sum = load(to + i, lanes);
          for (int32_t k = static_cast<int32_t>(j); k >= 0; k = places.after(k))
            sum = sum + load(from + k * inner + i, lanes);
          store(to + i, sum, lanes);
        });
      }
    }
  }
};

template <template <class> class Kernel>
aios_status launch(const char *call, aios_stream stream, void *out, const void *a, const int32_t *ids, int64_t outer,
                   int64_t axis, int64_t inner, int64_t count, aios_dtype dtype) {
  if (const aios_status status =
          check_extents(call, {{"outer", outer}, {"axis", axis}, {"inner", inner}, {"count", count}}))
    return status;
  return with_type(call, dtype, [&](auto type) {
    using T = decltype(type);
    return enqueue(stream, Kernel<T>{static_cast<T *>(out), static_cast<const T *>(a), ids, outer, axis, inner, count});
  });
}

} // namespace

aios_status aios_gather(aios_stream stream, void *out, const void *a, const int32_t *ids, int64_t outer, int64_t axis,
                        int64_t inner, int64_t count, aios_dtype dtype) {
  return launch<Gather>("aios_gather", stream, out, a, ids, outer, axis, inner, count, dtype);
}

aios_status aios_scatter_add(aios_stream stream, void *out, const void *a, const int32_t *ids, int64_t outer,
                             int64_t axis, int64_t inner, int64_t count, aios_dtype dtype) {
  return launch<ScatterAdd>("aios_scatter_add", stream, out, a, ids, outer, axis, inner, count, dtype);
}

} // namespace aios::AIOS_ISA

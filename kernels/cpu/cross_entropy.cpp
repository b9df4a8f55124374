// aios_cross_entropy: lse[r] = log of the sum of exp(logits[r][:]); loss[0] = mean over rows with target >= 0 of
// lse[r] - logits[r][targets[r]]; loss[1] = the number of those rows. logits are [rows][classes] with pitch ld.
// aios_cross_entropy_backward: dlogits = (exp(logits - lse) - onehot(target)) * dloss[0] / loss[1], 0 in rows left
// out; dlogits may be logits.
//
// Forward reads the logits once. Long rows are cut into chunks of kChunk classes, so that few rows still fill all
// workers; each chunk leaves (max, sum) in the workspace, and the parts are joined in order, in double. The loss is
// summed in double, in the order of the rows.
#include "online.h"

namespace aios::AIOS_ISA {

namespace {

constexpr int64_t kChunk = 32768;

AIOS_INLINE int64_t chunks_of(int64_t classes) {
  return max64(1, ceil_div(classes, kChunk));
}

bool check_target(Team &team, int64_t row, int32_t target, int64_t classes) {
  if (target < classes)
    return true;
  team.fail(AIOS_STATUS_EXECUTION_FAILED, "targets[%lld] is %d, but there are %lld classes",
            static_cast<long long>(row), static_cast<int>(target), static_cast<long long>(classes));
  return false;
}

template <class T> struct Forward {
  float *loss, *lse;
  const T *logits;
  const int32_t *targets;
  double *terms;    // [rows]
  OnlineSum *parts; // [rows][chunks]
  int64_t rows, classes, ld;

  void operator()(Team &team) const {
    const int64_t chunks = chunks_of(classes);
    parallel_ranges(team, rows * chunks, 4 * min64(classes, kChunk), 1, [=, this, &team](int64_t begin, int64_t end) {
      if (classes <= kShort)
        short_rows(begin, end);
      else
        for (int64_t i = begin; i < end; i++) {
          const int64_t c = i % chunks * kChunk;
          parts[i] = online_sum(logits + i / chunks * ld + c, min64(kChunk, classes - c));
        }
      for (int64_t r = begin; chunks == 1 && r < end; r++) // apart from the sums: logarithms of many rows overlap
        finish_row(team, r, 1);
    });
    if (chunks > 1)
      for (int64_t r = 0; r < rows; r++)
        finish_row(team, r, chunks);
    double sum = 0.0;
    int64_t count = 0;
    for (int64_t r = 0; r < rows; r++)
      if (targets[r] >= 0) {
        sum += terms[r];
        count++;
      }
    loss[0] = static_cast<float>(sum / static_cast<double>(count));
    loss[1] = static_cast<float>(count);
  }

  /// Rows that the first-level cache holds: the maximum of the next one is found on the way.
  [[gnu::flatten]] void short_rows(int64_t begin, int64_t end) const {
    const int64_t n = classes;
    float m = begin < end ? reduce_max(row_maximum(logits + begin * ld, n, set1(-FLT_MAX))) : 0.0f;
    for (int64_t r = begin; r < end; r++) {
      const T *row = logits + r * ld;
      const Walk found = walk(row, r + 1 < end ? row + ld : row, n, set1(m), [](int64_t, const auto &, auto) {});
      parts[r] = {m, reduce_add(found.sum)};
      m = reduce_max(found.greatest);
    }
  }

  void finish_row(Team &team, int64_t r, int64_t chunks) const {
    const OnlineSum *part = parts + r * chunks;
    double top = part[0].max;
    for (int64_t i = 1; i < chunks; i++)
      top = part[i].max > top ? part[i].max : top;
    double sum = part[0].sum;
    if (chunks > 1) {
      sum = 0.0;
      for (int64_t i = 0; i < chunks; i++)
        sum += part[i].sum * std::exp(part[i].max - top);
    }
    const double log_sum = top + std::log(sum);
    lse[r] = static_cast<float>(log_sum);
    const int32_t target = targets[r];
    terms[r] = 0.0;
    if (target >= 0 && check_target(team, r, target, classes))
      terms[r] = log_sum - static_cast<double>(to_float(logits[r * ld + target]));
  }
};

template <class T> struct Backward {
  T *dlogits;
  const float *dloss, *loss, *lse;
  const T *logits;
  const int32_t *targets;
  int64_t rows, classes, ld;

  void operator()(Team &team) const {
    const float factor = dloss[0] / loss[1];
    const int64_t chunks = chunks_of(classes);
    const bool past_caches = dlogits != logits && rows * classes * static_cast<int64_t>(sizeof(T)) >= kStreamBytes;
    parallel_ranges(team, rows * chunks, 4 * min64(classes, kChunk), 1, [=, this, &team](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) {
        const int64_t r = i / chunks, c = i % chunks * kChunk;
        if (targets[r] < 0 || check_target(team, r, targets[r], classes))
          part(r, c, min64(kChunk, classes - c), factor, past_caches);
      }
      if (past_caches)
        stream_fence();
    });
  }

  [[gnu::flatten, gnu::noinline]] void part(int64_t r, int64_t begin, int64_t n, float factor, bool past_caches) const {
    const T *x = logits + r * ld + begin;
    T *y = dlogits + r * ld + begin;
    const int64_t target = targets[r] - begin;
    const VF shift = set1(lse[r]), scale = set1(factor);
    if (targets[r] < 0) {
      for_vectors(n, [=](int64_t i, auto lanes) { store(y + i, zero(), lanes); });
      return;
    }
    const bool here = target >= 0 && target < n;
    const VF at_target = here ? (exp(load(x + target, Tail{1}) - shift) - set1(1.0f)) * scale : zero();
    const Exponential exponential;
    put_row(y, n, past_caches, [=](int64_t i, auto lanes) {
      fetch(x + i + kAhead, lanes);
      return Exponential::of(exponential, load(x + i, lanes) - shift) * scale;
    });
    if (here)
      store(y + target, at_target, Tail{1});
  }
};

} // namespace

int64_t aios_cross_entropy_workspace_size(int64_t rows, int64_t classes, aios_dtype) {
  if (const aios_status status =
          check_extents("aios_cross_entropy_workspace_size", {{"rows", rows}, {"classes", classes}}))
    return -status;
  return rows * static_cast<int64_t>(sizeof(double)) +
         rows * chunks_of(classes) * static_cast<int64_t>(sizeof(OnlineSum));
}

aios_status aios_cross_entropy(aios_stream stream, float *loss, float *lse, const void *logits, const int32_t *targets,
                               void *workspace, int64_t workspace_bytes, int64_t rows, int64_t classes, int64_t ld,
                               aios_dtype dtype) {
  if (const aios_status status = check_cross_entropy("aios_cross_entropy", rows, classes, ld))
    return status;
  if (const aios_status status = check_workspace("aios_cross_entropy", workspace, workspace_bytes,
                                                 aios_cross_entropy_workspace_size(rows, classes, dtype)))
    return status;
  return with_type("aios_cross_entropy", dtype, [&](auto type) {
    using T = decltype(type);
    double *terms = static_cast<double *>(workspace);
    return enqueue(stream, Forward<T>{loss, lse, static_cast<const T *>(logits), targets, terms,
                                      reinterpret_cast<OnlineSum *>(terms + rows), rows, classes, ld});
  });
}

aios_status aios_cross_entropy_backward(aios_stream stream, void *dlogits, const float *dloss, const float *loss,
                                        const float *lse, const void *logits, const int32_t *targets, int64_t rows,
                                        int64_t classes, int64_t ld, aios_dtype dtype) {
  if (const aios_status status = check_cross_entropy("aios_cross_entropy_backward", rows, classes, ld))
    return status;
  return with_type("aios_cross_entropy_backward", dtype, [&](auto type) {
    using T = decltype(type);
    return enqueue(stream, Backward<T>{static_cast<T *>(dlogits), dloss, loss, lse, static_cast<const T *>(logits),
                                       targets, rows, classes, ld});
  });
}

} // namespace aios::AIOS_ISA

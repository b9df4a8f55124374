// What the op files share: choice of storage type, cutting work into tasks, sums in double.
#pragma once

#include "../../native/common/checks.h"
#include "../../native/cpu/launch.h"
#include "simd_pack.h"

namespace aios::AIOS_ISA {

/// Elements below which work is not worth a second worker.
constexpr int64_t kTaskElements = 16384;

AIOS_INLINE int64_t min64(int64_t a, int64_t b) {
  return a < b ? a : b;
}
AIOS_INLINE int64_t max64(int64_t a, int64_t b) {
  return a > b ? a : b;
}
AIOS_INLINE int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

/// Calls f(T{}) with the storage type of a floating-point dtype, or fails.
template <class F> AIOS_INLINE aios_status with_type(const char *call, aios_dtype dtype, const F &f) {
  if (dtype == AIOS_DTYPE_F32)
    return f(float{});
  if (dtype == AIOS_DTYPE_BF16)
    return f(bf16{});
  return fail(AIOS_STATUS_UNIMPLEMENTED,
              "%s: dtype %d has no CPU kernel; use AIOS_DTYPE_F32 (0) or AIOS_DTYPE_BF16 (2)", call,
              static_cast<int>(dtype));
}

/// Calls f(begin, end), or f(begin, end, worker), over pieces of 0 .. n, where one index stands for `weight` elements
/// of work. Pieces start at multiples of `align` and only large work is cut; callers must not let results depend on
/// where.
template <class F> AIOS_INLINE void parallel_ranges(Team &team, int64_t n, int64_t weight, int64_t align, const F &f) {
  if (n <= 0)
    return;
  const int64_t smallest = max64(1, kTaskElements / max64(1, weight));
  const int64_t pieces = min64(ceil_div(n, smallest), int64_t{8} * team.threads());
  const int64_t step = pieces <= 1 || team.threads() == 1 ? n : ceil_div(ceil_div(n, pieces), align) * align;
  team.parallel_for(ceil_div(n, step), [&](int64_t task, int worker) {
    const int64_t begin = task * step, end = min64(n, begin + step);
    if constexpr (std::is_invocable_v<F, int64_t, int64_t, int>)
      f(begin, end, worker);
    else
      f(begin, end);
  });
}

/// Sum over i < n of the vectors that add(i, lanes, sum) accumulates, in four interleaved sums of doubles.
template <class F> AIOS_INLINE double sum_vectors(int64_t n, const F &add) {
  VD sum[4] = {zero_double(), zero_double(), zero_double(), zero_double()};
  int64_t i = 0;
  for (; i + 4 * W <= n; i += 4 * W) {
    add(i, Full{}, sum[0]);
    add(i + W, Full{}, sum[1]);
    add(i + 2 * W, Full{}, sum[2]);
    add(i + 3 * W, Full{}, sum[3]);
  }
  for_vectors(n - i, [&](int64_t j, auto lanes) { add(i + j, lanes, sum[0]); });
  accumulate(sum[0], sum[1]);
  accumulate(sum[2], sum[3]);
  accumulate(sum[0], sum[2]);
  return reduce_add(sum[0]);
}

/// What is summed at one place: a vector or a pack for each of K sums.
template <int K, class V> struct Terms { V v[K]; };

/// The K sums over i < n of the terms that term(i, lanes) returns; terms of lanes that are not real are left out.
/// Blocks of kBlockPacks packs are summed in binary32, so that no lane adds up more than a few terms, and joined in
/// double.
template <int K, class F> AIOS_INLINE void sum_blocks(double (&sums)[K], int64_t n, const F &term) {
  constexpr int64_t kBlockPacks = 16, kBlock = kBlockPacks * kPack * W;
  VD total[K];
  for (int k = 0; k < K; k++)
    total[k] = zero_double();
  for (int64_t begin = 0; begin < n; begin += kBlock) {
    VF sum[K];
    for (int k = 0; k < K; k++)
      sum[k] = zero();
    for_packs(min64(kBlock, n - begin), [&](int64_t i, auto lanes) {
      const auto x = term(begin + i, lanes);
      for (int k = 0; k < K; k++)
        sum[k] = sum[k] + fold(replace_rest(x.v[k], zero(), lanes), [](VF a, VF b) { return a + b; });
    });
    for (int k = 0; k < K; k++)
      accumulate(total[k], sum[k]);
  }
  for (int k = 0; k < K; k++)
    sums[k] = reduce_add(total[k]);
}

/// One such sum, of the vectors or packs that term(i, lanes) returns.
template <class F> AIOS_INLINE double sum_blocks(int64_t n, const F &term) {
  double sum[1];
  sum_blocks(sum, n, [&](int64_t i, auto lanes) { return Terms<1, decltype(term(i, lanes))>{{term(i, lanes)}}; });
  return sum[0];
}

/// Bytes of an output from which storing past the caches pays: it could not stay in them until it is read.
constexpr int64_t kStreamBytes = int64_t{32} << 20;

/// Elements from p to the next place that is aligned to a vector.
template <class T> AIOS_INLINE int64_t to_alignment(const T *p) {
  return static_cast<int64_t>((-reinterpret_cast<uintptr_t>(p)) % sizeof(VF) / sizeof(T));
}

/// Copies `bytes` bytes, a multiple of a vector, to a place that is aligned to one, past the caches.
AIOS_INLINE void stream_copy(void *to, const void *from, int64_t bytes) {
  float *out = static_cast<float *>(to);
  const float *in = static_cast<const float *>(from);
  for (int64_t i = 0; i < bytes / 4; i += W)
    stream(out + i, load(in + i, Full{}));
}

/// out[i] = value(i, lanes) for i < n, past the caches where they do not help. The caller ends with stream_fence().
template <class T, class F> AIOS_INLINE void put_row(T *out, int64_t n, bool past_caches, const F &value) {
  const int64_t plain = past_caches ? min64(n, to_alignment(out)) : n;
  for_packs(plain, [&](int64_t i, auto lanes) { store(out + i, value(i, lanes), lanes); });
  for_packs(n - plain, [&](int64_t i, auto lanes) { stream(out + plain + i, value(plain + i, lanes), lanes); });
}

/// Calls f(to, begin, count) for pieces of a row of n elements, which it stores to to[0 .. count): a buffer that is
/// then stored past the caches, or the row itself. The caller ends with stream_fence().
template <class T, class F> AIOS_INLINE void stream_row(T *out, int64_t n, const F &f) {
  constexpr int64_t kBuffer = 1024, kVector = sizeof(VF) / sizeof(T);
  alignas(64) T buffer[kBuffer];
  int64_t i = min64(n, to_alignment(out));
  if (i > 0)
    f(out, int64_t{0}, i);
  while (n - i >= kVector) {
    const int64_t count = min64(kBuffer, (n - i) / kVector * kVector);
    f(buffer, i, count);
    stream_copy(out + i, buffer, count * static_cast<int64_t>(sizeof(T)));
    i += count;
  }
  if (i < n)
    f(out + i, i, n - i);
}

} // namespace aios::AIOS_ISA

// aios_dropout: out[i] = u[i] < probability ? 0 : a[i] / (1 - probability), where u[i] = (w >> 8) * 2^-24 and w is word
// i mod 4 of Philox4x32-10 with counter (i / 4, offset) and key seed. `out` may be `a`.
//
// W counters are computed side by side, in two halves: a word lies in the even lane of a pair, so that the 64-bit
// products of a round need no sorting, and what the odd lanes hold is never looked at. Lane 4 b + k holds counter
// b + k (W / 4) of the group: transposing the four words inside each 128-bit block then leaves vector k with the words
// of its W elements in their order.
#include "loops.h"

namespace aios::AIOS_ISA {

namespace {

struct Words {
  VU word[4];
};

AIOS_INLINE VU all(uint32_t x) {
  return VU{} + x;
}

/// One half of the counters: words c0 to c3.
struct Half {
  VU c0, c1, c2, c3;

  void round(VU k0, VU k1) {
    const VU first = multiply_even(c0, all(0xd2511f53u)), second = multiply_even(c2, all(0xcd9e8d57u));
    c0 = odd_lanes(second) ^ c1 ^ k0;
    c2 = odd_lanes(first) ^ c3 ^ k1;
    c1 = second;
    c3 = first;
  }
};

/// Philox4x32-10 of the W counters from (first, offset).
AIOS_INLINE Words philox(uint64_t first, uint64_t offset, uint64_t seed) {
  uint32_t place[W];
  for (int lane = 0; lane < W; lane++)
    place[lane] = static_cast<uint32_t>(lane / 4 + lane % 4 * (W / 4));
  VU index;
  memcpy(&index, place, sizeof index);
  const VU low = index + static_cast<uint32_t>(first);
  const VU high = all(static_cast<uint32_t>(first >> 32)) - (VU)(low < index); // a true lane is -1: the carry
  const VU c2 = all(static_cast<uint32_t>(offset)), c3 = all(static_cast<uint32_t>(offset >> 32));
  Half even = {low, high, c2, c3}, odd = {odd_lanes(low), odd_lanes(high), c2, c3};
  uint32_t k0 = static_cast<uint32_t>(seed), k1 = static_cast<uint32_t>(seed >> 32);
#pragma GCC unroll 10
  for (int round = 0; round < 10; round++) {
    even.round(all(k0), all(k1));
    odd.round(all(k0), all(k1));
    k0 += 0x9e3779b9u;
    k1 += 0xbb67ae85u;
  }
  Words w = {{interleave_even(even.c0, odd.c0), interleave_even(even.c1, odd.c1), interleave_even(even.c2, odd.c2),
              interleave_even(even.c3, odd.c3)}};
  transpose4(w.word[0], w.word[1], w.word[2], w.word[3]);
  return w;
}

template <class T> struct Dropout {
  T *out;
  const T *a;
  int64_t n;
  float probability;
  uint64_t seed, offset;

  void operator()(Team &team) const {
    parallel_ranges(team, n, 4, 4 * W, [this](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i += 4 * W)
        group(i, end);
    });
  }

  /// Four vectors of elements, from element i, a multiple of 4 W.
  [[gnu::flatten]] void group(int64_t i, int64_t end) const {
    // u < p is the same as 2^24 u < 2^24 p, and both of these are exact.
    const VF limit = set1(probability * 16777216.0f), rest = set1(1.0f - probability);
    const Words random = philox(static_cast<uint64_t>(i / 4), offset, seed);
    for (int k = 0; k < 4 && i + k * W < end; k++) {
      const VF u = float_of_small(random.word[k] >> 8);
      const int64_t at = i + k * W;
      const Tail lanes = {static_cast<int>(min64(W, end - at))};
      const auto apply = [&](auto which) {
        store(out + at, select(lt(u, limit), zero(), load(a + at, which) / rest), which);
      };
      if (lanes.count == W)
        apply(Full{});
      else
        apply(lanes);
    }
  }
};

} // namespace

aios_status aios_dropout(aios_stream stream, void *out, const void *a, int64_t n, float probability, uint64_t seed,
                         uint64_t offset, aios_dtype dtype) {
  if (const aios_status status = check_dropout(n, probability))
    return status;
  return with_type("aios_dropout", dtype, [&](auto type) {
    using T = decltype(type);
    return enqueue(stream, Dropout<T>{static_cast<T *>(out), static_cast<const T *>(a), n, probability, seed, offset});
  });
}

} // namespace aios::AIOS_ISA

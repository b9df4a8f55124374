// aios_fill: out[i] = value for i < n.
//
// Arrays that cannot stay in the caches are stored past them, which saves reading each line before it is overwritten.
#include "loops.h"

namespace aios::AIOS_ISA {

namespace {

/// Elements of 4 bytes from which streaming stores pay.
constexpr int64_t kStreamWords = int64_t{8} << 20;

void fill_words(Team &team, uint32_t *out, int64_t n, uint32_t bits) {
  const VF x = set1(float_of(bits));
  float *p = reinterpret_cast<float *>(out);
  parallel_ranges(team, n, 1, 1024, [=](int64_t begin, int64_t end) {
    int64_t i = begin;
    if (n >= kStreamWords) {
      for (; i < end && reinterpret_cast<uintptr_t>(p + i) % sizeof(VF) != 0; i++)
        store(p + i, x, Tail{1});
      for (; i + W <= end; i += W)
        stream(p + i, x);
      stream_fence();
    }
    for_vectors(end - i, [&](int64_t j, auto lanes) { store(p + i + j, x, lanes); });
  });
}

void fill_halves(Team &team, uint16_t *out, int64_t n, uint16_t bits) {
  const int64_t head = min64(n, (reinterpret_cast<uintptr_t>(out) % 4) / 2);
  const int64_t words = (n - head) / 2;
  if (head > 0)
    out[0] = bits;
  fill_words(team, reinterpret_cast<uint32_t *>(out + head), words, bits * 0x10001u);
  if (head + 2 * words < n)
    out[n - 1] = bits;
}

} // namespace

aios_status aios_fill(aios_stream stream, void *out, int64_t n, double value, aios_dtype dtype) {
  if (const aios_status status = check_fill(n, value, dtype))
    return status;
  if (dtype == AIOS_DTYPE_I32) {
    const uint32_t bits = static_cast<uint32_t>(static_cast<int32_t>(value));
    return enqueue(stream, [=](Team &team) { fill_words(team, static_cast<uint32_t *>(out), n, bits); });
  }
  if (dtype == AIOS_DTYPE_F32) {
    const uint32_t bits = bits_of(static_cast<float>(value));
    return enqueue(stream, [=](Team &team) { fill_words(team, static_cast<uint32_t *>(out), n, bits); });
  }
  if (dtype == AIOS_DTYPE_F16) {
    f16 half[W];
    store(half, set1(static_cast<float>(value)), Full{});
    const uint16_t bits = half[0].bits;
    return enqueue(stream, [=](Team &team) { fill_halves(team, static_cast<uint16_t *>(out), n, bits); });
  }
  return with_type("aios_fill", dtype, [&](auto) {
    bf16 half;
    store_one(&half, static_cast<float>(value));
    const uint16_t bits = half.bits;
    return enqueue(stream, [=](Team &team) { fill_halves(team, static_cast<uint16_t *>(out), n, bits); });
  });
}

} // namespace aios::AIOS_ISA

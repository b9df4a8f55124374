// aios_dropout: out[i] = u[i] < probability ? 0 : a[i] / (1 - probability), where u[i] = (w >> 8) * 2^-24 and w is word
// i mod 4 of Philox4x32-10 with counter (i / 4, offset) and key seed. `out` may be `a`.
//
// A thread takes the four elements of a counter.
#include "launchers.cuh"

namespace aios::cuda {
namespace {

struct Words {
  uint32_t word[4];
};

/// Philox4x32-10 of the counter (counter, offset).
__device__ __forceinline__ Words philox(uint64_t counter, uint64_t offset, uint64_t seed) {
  Words c = {{static_cast<uint32_t>(counter), static_cast<uint32_t>(counter >> 32), static_cast<uint32_t>(offset),
              static_cast<uint32_t>(offset >> 32)}};
  uint32_t k0 = static_cast<uint32_t>(seed), k1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < 10; round++) {
    const uint64_t first = uint64_t{0xd2511f53u} * c.word[0], second = uint64_t{0xcd9e8d57u} * c.word[2];
    c = {{static_cast<uint32_t>(second >> 32) ^ c.word[1] ^ k0, static_cast<uint32_t>(second),
          static_cast<uint32_t>(first >> 32) ^ c.word[3] ^ k1, static_cast<uint32_t>(first)}};
    k0 += 0x9e3779b9u;
    k1 += 0xbb67ae85u;
  }
  return c;
}

template <class T>
__global__ void dropout_kernel(T *out, const T *a, int64_t n, float probability, uint64_t seed, uint64_t offset) {
  // u < p is the same as 2^24 u < 2^24 p, and both of these are exact.
  const float limit = probability * 16777216.0f, rest = 1.0f - probability;
  for (int64_t group = first_element(); group * 4 < n; group += element_step()) {
    const Words random = philox(static_cast<uint64_t>(group), offset, seed);
#pragma unroll
    for (int k = 0; k < 4; k++)
      if (const int64_t i = group * 4 + k; i < n)
        store(out + i, static_cast<float>(random.word[k] >> 8) < limit ? 0.0f : load(a + i) / rest);
  }
}

} // namespace
} // namespace aios::cuda

using namespace aios::cuda;

aios_status aios_dropout(aios_stream stream, void *out, const void *a, int64_t n, float probability, uint64_t seed,
                         uint64_t offset, aios_dtype dtype) {
  if (const aios_status status = aios::check_dropout(n, probability))
    return status;
  return with_type("aios_dropout", dtype, [&](auto type) -> aios_status {
    using T = decltype(type);
    if (n == 0)
      return AIOS_STATUS_OK;
    const Shape shape = shape_of_elements(ceil_div(n, 4));
    return launch(stream, "dropout_kernel", shape, dropout_kernel<T>, static_cast<T *>(out), static_cast<const T *>(a),
                  n, probability, seed, offset);
  });
}

// aios_rope: rotates pair p of each head of x [batch][length][heads][head_dim] by position * theta^(-2 p / head_dim).
// Pairs are (p, p + head_dim / 2), or (2 p, 2 p + 1) when interleaved; the position of row t is positions[t], or t.
// `inverse` rotates backward, which is the gradient. `out` may be `x`.
//
// A thread takes a pair at a position, for all heads and sequences: sine and cosine are computed once. The angle is in
// binary64, and whole turns are taken away from it, so that positions up to 2^24 keep the accuracy of binary32.
#include <cmath>

#include "launchers.cuh"

namespace aios::cuda {
namespace {

template <class T> struct Rope {
  T *out;
  const T *x;
  const int32_t *positions;
  int64_t batch, length, heads, head_dim;
  double theta;
  bool interleaved, inverse;
};

template <class T> __global__ void rope_kernel(Rope<T> p) {
  const int64_t pairs = p.head_dim / 2;
  for (int64_t i = first_element(); i < p.length * pairs; i += element_step()) {
    const int64_t t = i / pairs, pair = i % pairs;
    const double frequency = pow(p.theta, -2.0 * static_cast<double>(pair) / static_cast<double>(p.head_dim));
    const double position = static_cast<double>(p.positions ? p.positions[t] : t);
    const double turns = position * (frequency * 0.15915494309189533577); // 1 / (2 pi)
    double exact_sine, exact_cosine;
    sincospi(2.0 * (turns - rint(turns)), &exact_sine, &exact_cosine);
    const float sine = static_cast<float>(p.inverse ? -exact_sine : exact_sine);
    const float cosine = static_cast<float>(exact_cosine);
    const int64_t first = p.interleaved ? 2 * pair : pair, second = p.interleaved ? first + 1 : first + pairs;
    for (int64_t b = 0; b < p.batch; b++)
      for (int64_t h = 0; h < p.heads; h++) {
        const int64_t head = ((b * p.length + t) * p.heads + h) * p.head_dim;
        const float u = load(p.x + head + first), v = load(p.x + head + second);
        store(p.out + head + first, u * cosine - v * sine);
        store(p.out + head + second, u * sine + v * cosine);
      }
  }
}

} // namespace
} // namespace aios::cuda

using namespace aios::cuda;

aios_status aios_rope(aios_stream stream, void *out, const void *x, const int32_t *positions, int64_t batch,
                      int64_t length, int64_t heads, int64_t head_dim, float theta, int32_t interleaved,
                      int32_t inverse, aios_dtype dtype) {
  if (const aios_status status = aios::check_rope(batch, length, heads, head_dim, theta))
    return status;
  return with_type("aios_rope", dtype, [&](auto type) -> aios_status {
    using T = decltype(type);
    if (batch * length * heads * head_dim == 0)
      return AIOS_STATUS_OK;
    const Shape shape = shape_of_elements(length * (head_dim / 2));
    return launch(stream, "rope_kernel", shape, rope_kernel<T>,
                  Rope<T>{static_cast<T *>(out), static_cast<const T *>(x), positions, batch, length, heads, head_dim,
                          static_cast<double>(theta), interleaved != 0, inverse != 0});
  });
}

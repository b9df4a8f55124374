// aios_rope: rotates pair p of each head of x [batch][length][heads][head_dim] by position * theta^(-2 p / head_dim).
// Pairs are (p, p + head_dim / 2), or (2 p, 2 p + 1) when interleaved; the position of row t is positions[t], or t.
// `inverse` rotates backward, which is the gradient. `out` may be `x`.
//
// Angles, their reduction to a quarter turn and the polynomials are in double: positions up to 2^24 keep the accuracy
// of float. Sine and cosine of a block of pairs are computed once per position, for all heads and sequences.
#include "loops.h"

namespace aios::AIOS_ISA {

namespace {

constexpr int kPairs = 64; // pairs of a block

/// Sines and cosines, to well below an ulp of float, of n angles of magnitude below 2^24. A plain loop: the compiler
/// vectorises it.
void sine_cosine(float *sine, float *cosine, double position, const double *frequency, int n) {
  constexpr double kMagic = 6755399441055744.0; // 1.5 * 2^52: adding it rounds to an integer
  for (int i = 0; i < n; i++) {
    const double angle = position * frequency[i];
    const double shifted = angle * 0.63661977236758134308 + kMagic; // quarter turns
    const double turns = shifted - kMagic;
    int64_t quarter;
    memcpy(&quarter, &shifted, sizeof quarter);
    // pi / 2 in two parts; the first has 33 bits.
    const double r = (angle - turns * 1.57079632673412561417) - turns * 6.07710050650619224932e-11, s = r * r;
    // Taylor series on |r| <= pi / 4: the next terms are below 2e-10.
    const double sin_r =
        r + r * s * (-1.0 / 6 + s * (1.0 / 120 + s * (-1.0 / 5040 + s * (1.0 / 362880 - s * (1.0 / 39916800)))));
    const double cos_r = 1 - s * (0.5 + s * (-1.0 / 24 + s * (1.0 / 720 + s * (-1.0 / 40320 + s * (1.0 / 3628800)))));
    const double a = quarter & 1 ? cos_r : sin_r, b = quarter & 1 ? sin_r : cos_r;
    sine[i] = static_cast<float>(quarter & 2 ? -a : a);
    cosine[i] = static_cast<float>((quarter + 1) & 2 ? -b : b);
  }
}

template <class T> struct Rope {
  T *out;
  const T *x;
  const int32_t *positions;
  int64_t batch, length, heads, head_dim;
  double theta;
  bool interleaved, inverse;

  void operator()(Team &team) const {
    parallel_ranges(team, length, batch * heads * head_dim, 1, [this](int64_t begin, int64_t end) {
      for (int64_t first = 0; first < head_dim / 2; first += kPairs)
        rows(begin, end, first, static_cast<int>(min64(kPairs, head_dim / 2 - first)));
    });
  }

  /// Pairs first .. first + n - 1 of all heads of rows begin .. end - 1 of every sequence.
  void rows(int64_t begin, int64_t end, int64_t first, int n) const {
    double frequency[kPairs];
    float sine[kPairs], cosine[kPairs];
    for (int i = 0; i < n; i++)
      frequency[i] = std::pow(theta, -2.0 * static_cast<double>(first + i) / static_cast<double>(head_dim));
    for (int64_t t = begin; t < end; t++) {
      const double position = static_cast<double>(positions ? positions[t] : t);
      sine_cosine(sine, cosine, inverse ? -position : position, frequency, n);
      for (int64_t b = 0; b < batch; b++)
        for (int64_t h = 0; h < heads; h++)
          rotate(((b * length + t) * heads + h) * head_dim, first, n, sine, cosine);
    }
  }

  void rotate(int64_t head, int64_t first, int n, const float *sine, const float *cosine) const {
    if (interleaved) {
      for (int i = 0; i < n; i++) {
        const T *from = x + head + 2 * (first + i);
        T *to = out + head + 2 * (first + i);
        const float u = to_float(from[0]), v = to_float(from[1]);
        store_one(to, u * cosine[i] - v * sine[i]);
        store_one(to + 1, u * sine[i] + v * cosine[i]);
      }
      return;
    }
    const T *low = x + head + first, *high = low + head_dim / 2;
    T *to = out + head + first;
    for_vectors(n, [=, this](int64_t i, auto lanes) {
      const VF u = load(low + i, lanes), v = load(high + i, lanes);
      const VF s = load(sine + i, lanes), c = load(cosine + i, lanes);
      store(to + i, u * c - v * s, lanes);
      store(to + head_dim / 2 + i, u * s + v * c, lanes);
    });
  }
};

} // namespace

aios_status aios_rope(aios_stream stream, void *out, const void *x, const int32_t *positions, int64_t batch,
                      int64_t length, int64_t heads, int64_t head_dim, float theta, int32_t interleaved,
                      int32_t inverse, aios_dtype dtype) {
  if (const aios_status status = check_rope(batch, length, heads, head_dim, theta))
    return status;
  return with_type("aios_rope", dtype, [&](auto type) {
    using T = decltype(type);
    return enqueue(stream, Rope<T>{static_cast<T *>(out), static_cast<const T *>(x), positions, batch, length, heads,
                                   head_dim, static_cast<double>(theta), interleaved != 0, inverse != 0});
  });
}

} // namespace aios::AIOS_ISA

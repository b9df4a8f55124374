// aios_cast: out[i] = a[i] converted between F32, F16 and BF16, by way of F32; rounds to nearest even.
// `out` and `a` do not overlap.
#include "loops.h"

namespace aios::AIOS_ISA {

namespace {

template <class To, class From> void cast(Team &team, To *out, const From *a, int64_t n) {
  parallel_ranges(team, n, 1, 1024, [=](int64_t begin, int64_t end) {
    for_vectors(end - begin, [=](int64_t j, auto lanes) { store(out + begin + j, load(a + begin + j, lanes), lanes); });
  });
}

/// Calls f(T{}) with the storage type of a floating-point dtype, F16 included.
template <class F> aios_status with_float(const char *which, aios_dtype dtype, const F &f) {
  switch (dtype) {
  case AIOS_DTYPE_F32:
    return f(float{});
  case AIOS_DTYPE_F16:
    return f(f16{});
  case AIOS_DTYPE_BF16:
    return f(bf16{});
  default:
    return fail(AIOS_STATUS_UNIMPLEMENTED, "aios_cast: %s %d is not a floating-point type", which,
                static_cast<int>(dtype));
  }
}

} // namespace

aios_status aios_cast(aios_stream stream, void *out, const void *a, int64_t n, aios_dtype out_dtype,
                      aios_dtype a_dtype) {
  if (const aios_status status = check_extents("aios_cast", {{"n", n}}))
    return status;
  return with_float("out_dtype", out_dtype, [&](auto to) {
    return with_float("a_dtype", a_dtype, [&](auto from) {
      using To = decltype(to);
      using From = decltype(from);
      return enqueue(stream, [=](Team &team) { cast(team, static_cast<To *>(out), static_cast<const From *>(a), n); });
    });
  });
}

} // namespace aios::AIOS_ISA

// aios_cast: out[i] = a[i] converted between F32, F16 and BF16, by way of F32; rounds to nearest even.
// `out` and `a` do not overlap.
#include "launchers.cuh"

namespace aios::cuda {
namespace {

template <class To, class From> __global__ void cast_kernel(To *out, const From *a, int64_t n) {
  for (int64_t i = first_element(); i < n; i += element_step())
    store(out + i, load(a + i));
}

/// Calls f(T{}) with the storage type of a floating-point dtype, F16 included.
template <class F> aios_status with_float(const char *which, aios_dtype dtype, const F &f) {
  if (dtype == AIOS_DTYPE_F16)
    return f(half{});
  if (dtype != AIOS_DTYPE_F32 && dtype != AIOS_DTYPE_BF16)
    return fail(AIOS_STATUS_UNIMPLEMENTED, "aios_cast: %s %d is not a floating-point type", which, dtype);
  return with_type("aios_cast", dtype, f);
}

} // namespace
} // namespace aios::cuda

using namespace aios::cuda;

aios_status aios_cast(aios_stream stream, void *out, const void *a, int64_t n, aios_dtype out_dtype,
                      aios_dtype a_dtype) {
  if (const aios_status status = aios::check_extents("aios_cast", {{"n", n}}))
    return status;
  return with_float("out_dtype", out_dtype, [&](auto to) {
    return with_float("a_dtype", a_dtype, [&](auto from) -> aios_status {
      using To = decltype(to);
      using From = decltype(from);
      if (n == 0)
        return AIOS_STATUS_OK;
      const Shape shape = shape_of_elements(n);
      return launch(stream, "cast_kernel", shape, cast_kernel<To, From>, static_cast<To *>(out),
                    static_cast<const From *>(a), n);
    });
  });
}

// aios_fill: out[i] = value for i < n.
#include "launchers.cuh"

namespace aios::cuda {
namespace {

template <class Bits> __global__ void fill_kernel(Bits *out, int64_t n, Bits bits) {
  for (int64_t i = first_element(); i < n; i += element_step())
    out[i] = bits;
}

/// Fills with elements of these bits.
template <class Bits> aios_status fill(aios_stream stream, void *out, int64_t n, Bits bits) {
  if (n == 0)
    return AIOS_STATUS_OK;
  const Shape shape = shape_of_elements(n);
  return launch(stream, "fill_kernel", shape, fill_kernel<Bits>, static_cast<Bits *>(out), n, bits);
}

} // namespace
} // namespace aios::cuda

using namespace aios::cuda;

aios_status aios_fill(aios_stream stream, void *out, int64_t n, double value, aios_dtype dtype) {
  if (const aios_status status = aios::check_fill(n, value, dtype))
    return status;
  if (dtype == AIOS_DTYPE_I32)
    return fill(stream, out, n, static_cast<uint32_t>(static_cast<int32_t>(value)));
  if (dtype == AIOS_DTYPE_F16)
    return fill(stream, out, n, from_float<half>(static_cast<float>(value)).bits);
  return with_type("aios_fill", dtype, [&](auto type) {
    using T = decltype(type);
    using Bits = std::conditional_t<sizeof(T) == 4, uint32_t, uint16_t>;
    return fill(stream, out, n, bits_as<Bits>(from_float<T>(static_cast<float>(value))));
  });
}

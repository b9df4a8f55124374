// aios_unary:          out = op(a)
// aios_unary_backward: da = dout * op'(a)
// aios_binary:         out = op(a, b)
// over buffers of any strides, of rank up to 8; an input stride of 0 broadcasts. `out` may be an input of the same
// strides: an element is read before it is written, by the same thread.
//
// Neighbouring dimensions that are adjacent in every buffer are merged, so that most launches have one dimension and
// need no division.
#include "functions.cuh"
#include "launchers.cuh"

namespace aios::cuda {
namespace {

constexpr int kBuffers = 3; // output, first and second input

struct Plan {
  int64_t n; // elements
  int32_t rank;
  int64_t extent[AIOS_MAX_RANK];
  int64_t stride[AIOS_MAX_RANK][kBuffers];
};

Plan plan_of(const aios_elementwise_desc &desc, bool two_inputs) {
  Plan plan = {1, 0, {}, {}};
  for (int d = 0; d < desc.rank; d++) {
    plan.n *= desc.shape[d];
    if (desc.shape[d] == 1)
      continue;
    const int64_t stride[kBuffers] = {desc.out_stride[d], desc.a_stride[d], two_inputs ? desc.b_stride[d] : 0};
    bool adjacent = plan.rank > 0;
    for (int i = 0; adjacent && i < kBuffers; i++)
      adjacent = plan.stride[plan.rank - 1][i] == stride[i] * desc.shape[d];
    const int at = adjacent ? plan.rank - 1 : plan.rank++;
    plan.extent[at] = adjacent ? plan.extent[at] * desc.shape[d] : desc.shape[d];
    for (int i = 0; i < kBuffers; i++)
      plan.stride[at][i] = stride[i];
  }
  return plan;
}

/// The places of element i, whose type is wide enough for all elements.
template <class Index> __device__ __forceinline__ void place(const Plan &plan, Index i, int64_t (&at)[kBuffers]) {
  for (int d = plan.rank - 1; d > 0; d--) {
    const Index extent = static_cast<Index>(plan.extent[d]), next = i / extent;
    const int64_t rest = static_cast<int64_t>(i - next * extent);
    for (int b = 0; b < kBuffers; b++)
      at[b] += rest * plan.stride[d][b];
    i = next;
  }
  for (int b = 0; b < kBuffers; b++)
    at[b] += static_cast<int64_t>(i) * plan.stride[0][b];
}

template <class Op> struct Unary {
  static constexpr bool kTwoInputs = false;
  __device__ __forceinline__ static float value(float x, float, Scalars s) { return Op::value(x, s); }
};

template <class Op> struct Backward {
  static constexpr bool kTwoInputs = true;
  __device__ __forceinline__ static float value(float x, float dout, Scalars s) { return dout * Op::derivative(x, s); }
};

template <class Op> struct Binary {
  static constexpr bool kTwoInputs = true;
  __device__ __forceinline__ static float value(float a, float b, Scalars) { return Op::value(a, b); }
};

template <class T, class F>
__global__ void elementwise_kernel(T *out, const T *a, const T *b, Plan plan, Scalars scalars) {
  for (int64_t i = first_element(); i < plan.n; i += element_step()) {
    int64_t at[kBuffers] = {};
    if (plan.n <= INT32_MAX)
      place(plan, static_cast<uint32_t>(i), at);
    else
      place(plan, static_cast<uint64_t>(i), at);
    store(out + at[0], F::value(load(a + at[1]), F::kTwoInputs ? load(b + at[2]) : 0.0f, scalars));
  }
}

template <class T> using Kernel = void (*)(T *, const T *, const T *, Plan, Scalars);

/// The kernels of a list of functions, in the order of their numbers.
template <class T, template <class> class Family, class... Ops>
constexpr Kernel<T> kKernels[] = {elementwise_kernel<T, Family<Ops>>...};

template <class T, template <class> class Family>
constexpr const Kernel<T> (&kUnary)[15] = kKernels<T, Family, Copy, Affine, Abs, Square, Sqrt, Rsqrt, Reciprocal, Exp,
                                                   Log, Tanh, Sigmoid, Relu, Gelu, GeluTanh, Silu>;
template <class T>
constexpr const Kernel<T> (&kBinary)[8] =
    kKernels<T, Binary, Sum, Difference, Product, Quotient, Maximum, Minimum, GreaterEqual, Less>;

template <class T>
aios_status run(aios_stream stream, const char *name, Kernel<T> kernel, void *out, const void *a, const void *b,
                const aios_elementwise_desc &desc) {
  const Plan plan = plan_of(desc, b != nullptr);
  if (plan.n == 0)
    return AIOS_STATUS_OK;
  const Shape shape = shape_of_elements(plan.n);
  return launch(stream, name, shape, kernel, static_cast<T *>(out), static_cast<const T *>(a),
                static_cast<const T *>(b), plan, Scalars{desc.alpha, desc.beta});
}

} // namespace
} // namespace aios::cuda

using namespace aios::cuda;

aios_status aios_unary(aios_stream stream, void *out, const void *a, aios_unary_op op,
                       const aios_elementwise_desc *desc) {
  if (const aios_status status = aios::check_elementwise("aios_unary", op, AIOS_UNARY_SILU, desc))
    return status;
  return with_type("aios_unary", desc->dtype, [&](auto type) {
    using T = decltype(type);
    return run<T>(stream, "unary_kernel", kUnary<T, Unary>[op], out, a, nullptr, *desc);
  });
}

aios_status aios_unary_backward(aios_stream stream, void *da, const void *dout, const void *a, aios_unary_op op,
                                const aios_elementwise_desc *desc) {
  if (const aios_status status = aios::check_elementwise("aios_unary_backward", op, AIOS_UNARY_SILU, desc))
    return status;
  return with_type("aios_unary_backward", desc->dtype, [&](auto type) {
    using T = decltype(type);
    return run<T>(stream, "unary_backward_kernel", kUnary<T, Backward>[op], da, a, dout, *desc);
  });
}

aios_status aios_binary(aios_stream stream, void *out, const void *a, const void *b, aios_binary_op op,
                        const aios_elementwise_desc *desc) {
  if (const aios_status status = aios::check_elementwise("aios_binary", op, AIOS_BINARY_LESS, desc))
    return status;
  return with_type("aios_binary", desc->dtype, [&](auto type) {
    using T = decltype(type);
    return run<T>(stream, "binary_kernel", kBinary<T>[op], out, a, b, *desc);
  });
}

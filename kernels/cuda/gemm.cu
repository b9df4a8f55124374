// aios_gemm: C = epilogue(alpha op(A) op(B) + beta C) for each product of a batch; row-major, any pitches.
// Epilogue, in this order: + bias[n]; the value to aux, then tanh-GELU; + residual. `residual` may be `c`.
//
// A thread computes 4 x 4 elements of C, whose rows and columns lie kSide apart so that neighbouring threads read
// neighbouring elements, straight from global memory: simple, and every sum is in the order of k. Sums are binary32
// with fused multiply-adds; those of I8 are of integers modulo 2^32.
#include "functions.cuh"
#include "launchers.cuh"

namespace aios::cuda {
namespace {

constexpr int kSide = 8;                 // a block is kSide x kSide threads
constexpr int kEach = 4;                 // a thread has kEach x kEach elements
constexpr int64_t kTile = kSide * kEach; // of C, per block

template <class In, class Out> struct Problem {
  aios_gemm_desc d;
  Out *c, *aux;
  const In *a, *b;
  const Out *bias, *residual;
};

__device__ __forceinline__ float term(float sum, float a, float b) {
  return fmaf(a, b, sum);
}
__device__ __forceinline__ float term(float sum, bf16 a, bf16 b) {
  return fmaf(to_float(a), to_float(b), sum);
}
__device__ __forceinline__ uint32_t term(uint32_t sum, int8_t a, int8_t b) {
  return sum + static_cast<uint32_t>(a * b);
}

/// An element of C, without and with what the epilogue does.
template <class In>
__device__ __forceinline__ void finish(const Problem<In, int32_t> &p, int64_t batch, int64_t m, int64_t n,
                                       uint32_t sum) {
  int32_t *c = p.c + batch * p.d.stride_c + m * p.d.ldc + n;
  *c = static_cast<int32_t>(p.d.beta != 0.0f ? sum + static_cast<uint32_t>(*c) : sum);
}

template <class In, class Out, class Sum>
__device__ __forceinline__ void finish(const Problem<In, Out> &p, int64_t batch, int64_t m, int64_t n, Sum sum) {
  const int64_t at = batch * p.d.stride_c + m * p.d.ldc + n;
  float product;
  if constexpr (std::is_same_v<Sum, uint32_t>)
    product = static_cast<float>(static_cast<int32_t>(sum));
  else
    product = sum;
  float value = p.d.alpha * product;
  if (p.d.beta != 0.0f)
    value = fmaf(p.d.beta, load(p.c + at), value);
  if (p.d.epilogue & AIOS_EPILOGUE_BIAS)
    value += load(p.bias + n);
  if (p.d.epilogue & AIOS_EPILOGUE_GELU_TANH) {
    if (p.aux)
      store(p.aux + at, value);
    value = GeluTanh::value(value, {});
  }
  if (p.d.epilogue & AIOS_EPILOGUE_RESIDUAL)
    value += load(p.residual + batch * p.d.stride_r + m * p.d.ldr + n);
  store(p.c + at, value);
}

template <class In, class Out> __global__ void __launch_bounds__(kSide *kSide) gemm_kernel(Problem<In, Out> p) {
  using Sum = std::conditional_t<std::is_same_v<In, int8_t>, uint32_t, float>;
  const int64_t across = ceil_div(p.d.n, kTile), down = ceil_div(p.d.m, kTile);
  const int64_t a_row = p.d.trans_a ? 1 : p.d.lda, a_step = p.d.trans_a ? p.d.lda : 1;
  const int64_t b_col = p.d.trans_b ? p.d.ldb : 1, b_step = p.d.trans_b ? 1 : p.d.ldb;
  for (int64_t tile = blockIdx.x; tile < across * down * p.d.batch; tile += gridDim.x) {
    const int64_t batch = tile / (across * down);
    const int64_t row = tile / across % down * kTile + threadIdx.x / kSide,
                  col = tile % across * kTile + threadIdx.x % kSide;
    // Rows and columns outside of C are computed as the last one, and not stored.
    const In *a[kEach], *b[kEach];
#pragma unroll
    for (int i = 0; i < kEach; i++) {
      a[i] = p.a + batch * p.d.stride_a + min64(row + i * kSide, p.d.m - 1) * a_row;
      b[i] = p.b + batch * p.d.stride_b + min64(col + i * kSide, p.d.n - 1) * b_col;
    }
    Sum sum[kEach][kEach] = {};
    for (int64_t k = 0; k < p.d.k; k++) {
#pragma unroll
      for (int i = 0; i < kEach; i++)
#pragma unroll
        for (int j = 0; j < kEach; j++)
          sum[i][j] = term(sum[i][j], a[i][k * a_step], b[j][k * b_step]);
    }
#pragma unroll
    for (int i = 0; i < kEach; i++)
#pragma unroll
      for (int j = 0; j < kEach; j++)
        if (const int64_t m = row + i * kSide, n = col + j * kSide; m < p.d.m && n < p.d.n)
          finish(p, batch, m, n, sum[i][j]);
  }
}

template <class In, class Out>
aios_status run(aios_stream stream, void *c, void *aux, const void *a, const void *b, const void *bias,
                const void *residual, const aios_gemm_desc &d) {
  const int64_t tiles = ceil_div(d.m, kTile) * ceil_div(d.n, kTile) * d.batch;
  return launch(stream, "gemm_kernel", Shape{blocks_for(tiles), kSide * kSide}, gemm_kernel<In, Out>,
                Problem<In, Out>{d, static_cast<Out *>(c), static_cast<Out *>(aux), static_cast<const In *>(a),
                                 static_cast<const In *>(b), static_cast<const Out *>(bias),
                                 static_cast<const Out *>(residual)});
}

} // namespace
} // namespace aios::cuda

using namespace aios::cuda;

int64_t aios_gemm_workspace_size(const aios_gemm_desc *desc) {
  return -static_cast<int64_t>(aios::check_gemm(desc));
}

aios_status aios_gemm(aios_stream stream, void *c, void *aux, const void *a, const void *b, const void *bias,
                      const void *residual, void *, int64_t, const aios_gemm_desc *desc) {
  if (const aios_status status = aios::check_gemm(desc))
    return status;
  const aios_gemm_desc &d = *desc;
  if (d.packed_b)
    return aios::fail(AIOS_STATUS_UNIMPLEMENTED, "gemm: there is no kernel for a packed B");
  if (d.m == 0 || d.n == 0 || d.batch == 0)
    return AIOS_STATUS_OK;
  if (const aios_status status = aios::check_gemm_operands(d, c, a, b, bias, residual))
    return status;
  const bool floats = d.out_dtype == AIOS_DTYPE_F32;
  const auto kernel = d.dtype == AIOS_DTYPE_F32  ? run<float, float>
                      : d.dtype == AIOS_DTYPE_I8 ? (floats ? run<int8_t, float> : run<int8_t, int32_t>)
                                                 : (floats ? run<bf16, float> : run<bf16, bf16>);
  return kernel(stream, c, aux, a, b, bias, residual, d);
}

// The launchers of kernels/cuda on simulated streams, where conformance does not reach: numbers as they are stored,
// what the provider lacks, what kernels report, and that no order of threads changes a bit.
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "aios_cuda.h"
#include "aios_kernels.h"
#include "cudasim_driver_test.h"
#include "kernels/cuda/numbers.cuh"

namespace {

using aios::cuda::bf16;
using aios::cuda::from_float;
using aios::cuda::half;
using aios::cuda::to_float;

/// The value of a number of `exponent_bits` and `fraction_bits`, by the formula.
double value_of(uint32_t bits, int exponent_bits, int fraction_bits) {
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const int exponent = static_cast<int>(bits >> fraction_bits) & ((1 << exponent_bits) - 1);
  const double fraction = std::ldexp(bits & ((1u << fraction_bits) - 1), -fraction_bits);
  const double magnitude = exponent == 0 ? std::ldexp(fraction, 1 - bias) : std::ldexp(1 + fraction, exponent - bias);
  return bits >> (exponent_bits + fraction_bits) ? -magnitude : magnitude;
}

/// Every finite number comes back, and what lies between two neighbours goes to the nearer, at the middle to the even.
template <class T> void round_like(int exponent_bits, int fraction_bits) {
  const uint16_t infinity = static_cast<uint16_t>(((1 << exponent_bits) - 1) << fraction_bits);
  for (uint16_t bits = 0; bits < infinity; bits++) {
    const double here = value_of(bits, exponent_bits, fraction_bits);
    // What comes after the greatest number is what it would be if there were one.
    const double next = value_of(bits + 1u, exponent_bits, fraction_bits);
    const float middle = static_cast<float>((here + next) / 2);
    ASSERT_EQ(static_cast<double>(to_float(T{bits})), here) << bits;
    ASSERT_EQ(from_float<T>(static_cast<float>(here)).bits, bits);
    ASSERT_EQ(from_float<T>(static_cast<float>(-here)).bits, bits | 0x8000);
    const uint16_t even = static_cast<uint16_t>(bits + (bits & 1));
    ASSERT_EQ(from_float<T>(middle).bits, even) << bits;
    ASSERT_EQ(from_float<T>(std::nextafter(middle, 0.0f)).bits, bits) << bits;
    ASSERT_EQ(from_float<T>(std::nextafter(middle, INFINITY)).bits, bits + 1) << bits;
  }
  EXPECT_EQ(from_float<T>(INFINITY).bits, infinity);
  EXPECT_EQ(from_float<T>(-INFINITY).bits, infinity | 0x8000);
  EXPECT_TRUE(std::isinf(to_float(T{infinity})));
  EXPECT_TRUE(std::isnan(to_float(from_float<T>(NAN))));
  for (uint32_t bits = infinity + 1u; bits < 0x8000; bits++)
    ASSERT_TRUE(std::isnan(to_float(T{static_cast<uint16_t>(bits)})));
}

TEST(CudaNumbers, RoundToNearestEven) {
  round_like<bf16>(8, 7);
  round_like<half>(5, 10);
}

class CudaKernels : public Cudasim {
protected:
  void SetUp() override {
    Cudasim::SetUp();
    stream_ = reinterpret_cast<aios_stream>(a);
    aios_cuda_set_record(stream_, &record_);
  }
  void TearDown() override {
    aios_cuda_set_record(stream_, nullptr);
    Cudasim::TearDown();
  }

  template <class T> T *upload(const std::vector<T> &values) {
    T *memory = allocate<T>(values.size());
    EXPECT_EQ(cuMemcpyHtoD_v2(at(memory), values.data(), values.size() * sizeof(T)), CUDA_SUCCESS);
    return memory;
  }
  template <class T> std::vector<T> download(const T *memory, size_t count) {
    std::vector<T> values(count);
    EXPECT_EQ(cuMemcpyDtoH_v2(values.data(), at(memory), count * sizeof(T)), CUDA_SUCCESS);
    return values;
  }
  void run(aios_status launched) {
    ASSERT_EQ(launched, AIOS_STATUS_OK) << aios_last_error();
    OK(cuStreamSynchronize(a));
    ASSERT_EQ(aios_cuda_take_finding(&record_), AIOS_STATUS_OK) << aios_last_error();
  }

  aios_stream stream_ = nullptr;
  aios_cuda_record record_{};
};

std::vector<float> numbers(size_t count) {
  std::vector<float> values(count);
  uint32_t state = 1;
  for (float &value : values) {
    state = state * 1664525u + 1013904223u;
    value = static_cast<float>(static_cast<int32_t>(state)) * 0x1p-30f;
  }
  return values;
}

TEST_F(CudaKernels, WhatIsMissingSaysSo) {
  EXPECT_EQ(aios_quantize(stream_, nullptr, nullptr, AIOS_DTYPE_F32), AIOS_STATUS_UNIMPLEMENTED);
  EXPECT_STREQ(aios_last_error(), "aios_quantize: there is no CUDA kernel");
  EXPECT_EQ(aios_qmatmul_workspace_size(nullptr, 1, AIOS_DTYPE_F32), -AIOS_STATUS_UNIMPLEMENTED);
}

TEST_F(CudaKernels, AnIdOutsideIsReportedOnce) {
  const float *table = upload(numbers(12));
  const int32_t *ids = upload(std::vector<int32_t>{2, 7, -1});
  float *out = allocate<float>(9);
  ASSERT_EQ(aios_gather(stream_, out, table, ids, 1, 4, 3, 2, AIOS_DTYPE_F32), AIOS_STATUS_OK);
  OK(cuCtxSynchronize());
  EXPECT_EQ(aios_cuda_take_finding(&record_), AIOS_STATUS_EXECUTION_FAILED);
  EXPECT_STREQ(aios_last_error(), "aios_gather: ids[1] is 7, but the axis has 4 rows");
  EXPECT_EQ(aios_cuda_take_finding(&record_), AIOS_STATUS_OK);
  EXPECT_EQ(download(out, 3), (std::vector<float>(download(table + 6, 3)))) << "good rows are copied all the same";
  free_blocks();
}

TEST_F(CudaKernels, WithoutARecordWrongDataStopTheKernel) {
  const float *logits = upload(numbers(6));
  const int32_t *targets = upload(std::vector<int32_t>{1, 3});
  float *loss = allocate<float>(2), *lse = allocate<float>(2);
  double *workspace = allocate<double>(2);
  aios_cuda_set_record(stream_, nullptr);
  // Of two kernels; the first one may have failed before the second is launched.
  aios_status status = aios_cross_entropy(stream_, loss, lse, logits, targets, workspace, 16, 2, 3, 3, AIOS_DTYPE_F32);
  EXPECT_TRUE(status == AIOS_STATUS_OK || status == AIOS_STATUS_EXECUTION_FAILED) << aios_last_error();
  EXPECT_EQ(cuCtxSynchronize(), CUDA_ERROR_LAUNCH_FAILED);
  EXPECT_NE(std::string(aios_cudasim_last_report()).find("cross_entropy_rows_kernel"), std::string::npos)
      << aios_cudasim_last_report();
  OK(cuDevicePrimaryCtxReset_v2(0));
}

/// Every launch has an order of threads of its own.
TEST_F(CudaKernels, NoOrderOfThreadsChangesABit) {
  constexpr int64_t rows = 3, cols = 1500; // eight warps, whose sums meet in shared memory
  const float *in = upload(numbers(rows * cols)), *up = upload(numbers(rows * cols));
  std::vector<std::vector<float>> results;
  for (int i = 0; i < 20; i++) {
    float *out = allocate<float>(rows * cols), *mean = allocate<float>(rows), *rstd = allocate<float>(rows);
    float *sum = allocate<float>(1);
    run(aios_layernorm(stream_, out, mean, rstd, in, nullptr, nullptr, rows, cols, 1e-5f, AIOS_DTYPE_F32));
    run(aios_layernorm_backward(stream_, out, nullptr, nullptr, up, in, nullptr, mean, rstd, nullptr, 0, rows, cols, 0,
                                0, AIOS_DTYPE_F32));
    run(aios_softmax(stream_, out, out, rows, cols, AIOS_DTYPE_F32));
    run(aios_reduce(stream_, sum, out, nullptr, 0, 1, rows * cols, 1, AIOS_REDUCE_SUM, 0, AIOS_DTYPE_F32));
    results.push_back(download(out, rows * cols));
    EXPECT_NEAR(download(sum, 1)[0], rows, 1e-5) << "rows of a softmax sum to 1";
    EXPECT_EQ(std::memcmp(results[0].data(), results.back().data(), rows * cols * sizeof(float)), 0);
  }
  free_blocks();
}

} // namespace

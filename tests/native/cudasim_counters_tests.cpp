// AIOS_CUDASIM_COUNTERS: what kernels cost, counted by hand.
#include "cudasim_driver_test.h"

#include "kernels/cuda/launch.cuh"

using namespace aios;
using cuda::Shared;

namespace {

/// Each of 32 lanes stores a word to a bank of its own, and reads one of a column of 32 words, which all lie in one
/// bank: 31 passes more than one.
__global__ void columns() {
  Shared<float> tile(0);
  for (unsigned row = 0; row < 32; ++row)
    tile[32 * row + threadIdx.x] = 1.0f;
  __syncthreads();
  tile[threadIdx.x] = tile[32 * threadIdx.x] + 1.0f;
  __syncthreads();
}

/// Two words of each bank: one pass more.
__global__ void pairs() {
  Shared<float> tile(0);
  tile[2 * threadIdx.x] = 1.0f;
}

bool run_both() {
  CUstream stream = nullptr;
  CUcontext context = nullptr;
  return cuInit(0) == CUDA_SUCCESS && cuDevicePrimaryCtxRetain(&context, 0) == CUDA_SUCCESS &&
         cuCtxSetCurrent(context) == CUDA_SUCCESS && cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING) == CUDA_SUCCESS &&
         cuda::launch(reinterpret_cast<aios_stream>(stream), "columns", 3, 32, 4096, columns) == AIOS_STATUS_OK &&
         cuda::launch(reinterpret_cast<aios_stream>(stream), "columns", 2, 32, 4096, columns) == AIOS_STATUS_OK &&
         cuda::launch(reinterpret_cast<aios_stream>(stream), "pairs", 1, 32, 256, pairs) == AIOS_STATUS_OK &&
         cuStreamSynchronize(stream) == CUDA_SUCCESS;
}

// Two launches of 3 and 2 blocks: in each block 2 barriers, 31 conflicts, 32 loads and 33·32 stores of 4 bytes.
constexpr const char *kTable = "launches     blocks   barriers  conflicts bytes loaded bytes stored  kernel\n"
                               "       2          5         10        155          640        21120  columns\n"
                               "       1          1          0          1            0          128  pairs\n";

TEST(CudasimCounters, AreWhatTheKernelsCost) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  auto counted = [] {
    setenv("AIOS_CUDASIM_COUNTERS", "1", 1);
    return run_both() && std::string(aios_cudasim_counters()) == kTable;
  };
  EXPECT_EXIT(_exit(counted() ? 0 : 1), testing::ExitedWithCode(0), "^$");
  EXPECT_EXIT(std::exit(counted() ? 0 : 1), testing::ExitedWithCode(0), kTable) << "printed when the process ends";
}

TEST(CudasimCounters, AreNotKeptUnlessAskedFor) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  auto silent = [](const char *value) {
    setenv("AIOS_CUDASIM_COUNTERS", value, 1);
    return run_both() && *aios_cudasim_counters() == '\0';
  };
  EXPECT_EXIT(std::exit(silent("0") ? 0 : 1), testing::ExitedWithCode(0), "^$");
}

TEST(CudasimCounters, AValueThatIsNoneIsNamed) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  auto refused = [] {
    setenv("AIOS_CUDASIM_COUNTERS", "yes", 1);
    return cuInit(0) == CUDA_ERROR_INVALID_VALUE &&
           std::string(aios_cudasim_last_report()) == "AIOS_CUDASIM_COUNTERS is \"yes\"; give it a number from 0 to 1";
  };
  EXPECT_EXIT(_exit(refused() ? 0 : 1), testing::ExitedWithCode(0), "");
}

} // namespace

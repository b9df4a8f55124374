// The stand-in for NVRTC: users' kernels from source to result.
#include <cstring>
#include <string>

#include "cudasim_driver_test.h"
#include "simulator/driver/nvrtc.h"
#include "simulator/generated/nvrtc.h"

namespace {

/// Compiles a source; the log when that fails.
std::string compile_source(const char *source, std::vector<char> &image, nvrtcResult expected = NVRTC_SUCCESS,
                           std::vector<const char *> options = {"--gpu-architecture=sm_90"}) {
  nvrtcProgram program = nullptr;
  EXPECT_EQ(nvrtcCreateProgram(&program, source, "user.cu", 0, nullptr, nullptr), NVRTC_SUCCESS);
  EXPECT_EQ(nvrtcCompileProgram(program, static_cast<int>(options.size()), options.data()), expected);
  size_t bytes = 0;
  EXPECT_EQ(nvrtcGetProgramLogSize(program, &bytes), NVRTC_SUCCESS);
  std::string log(bytes, '\0');
  EXPECT_EQ(nvrtcGetProgramLog(program, log.data()), NVRTC_SUCCESS);
  if (expected == NVRTC_SUCCESS) {
    EXPECT_EQ(nvrtcGetCUBINSize(program, &bytes), NVRTC_SUCCESS) << log;
    image.resize(bytes);
    EXPECT_EQ(nvrtcGetCUBIN(program, image.data()), NVRTC_SUCCESS);
  }
  EXPECT_EQ(nvrtcDestroyProgram(&program), NVRTC_SUCCESS);
  return log;
}

constexpr const char *kSums = R"(
// Not a kernel: __global__ void commented(int);
#define WIDTH 64
extern "C" __global__ void __launch_bounds__(WIDTH) block_sums(float *sums, const float *values, int n, double scale) {
  __shared__ float partial[WIDTH];
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  partial[threadIdx.x] = i < n ? values[i] : 0.0f;
  __syncthreads();
  for (int half = WIDTH / 2; half > 0; half /= 2) {
    if (threadIdx.x < half)
      partial[threadIdx.x] += partial[threadIdx.x + half];
    __syncthreads();
  }
  if (threadIdx.x == 0)
    sums[blockIdx.x] = float(partial[0] * scale);
}

extern "C" __global__ void reversed(int *values) {
  extern __shared__ int window[];
  window[threadIdx.x] = values[threadIdx.x];
  __syncthreads();
  values[threadIdx.x] = window[blockDim.x - 1 - threadIdx.x];
}

__global__ void warps(int *values) {
  if (blockDim.x != 32)
    __trap();
  values[threadIdx.x] = __shfl_xor_sync(0xffffffffu, (int)threadIdx.x, 1) + ADDED;
}
)";

TEST_F(Cudasim, AUsersKernelsRun) {
  std::vector<char> image;
  compile_source(kSums, image, NVRTC_SUCCESS, {"--gpu-architecture=sm_90", "--define-macro=ADDED=100"});
  CUmodule module = nullptr;
  CUfunction sums_of = nullptr, reversed = nullptr, warps = nullptr;
  OK(cuModuleLoadData(&module, image.data()));
  OK(cuModuleGetFunction(&sums_of, module, "block_sums"));
  OK(cuModuleGetFunction(&reversed, module, "reversed"));
  OK(cuModuleGetFunction(&warps, module, "warps"));
  EXPECT_EQ(cuModuleGetFunction(&warps, module, "commented"), CUDA_ERROR_NOT_FOUND);
  OK(cuModuleGetFunction(&warps, module, "warps"));

  constexpr int n = 150;
  float *values = allocate<float>(n), *sums = allocate<float>(3);
  int *numbers = allocate<int>(32);
  std::vector<float> ones(n, 1.0f);
  OK(cuMemcpyHtoDAsync_v2(at(values), ones.data(), n * sizeof(float), a));
  int count = n;
  double scale = 0.5;
  void *parameters[] = {&sums, &values, &count, &scale};
  OK(cuLaunchKernel(sums_of, 3, 1, 1, 64, 1, 1, 0, a, parameters, nullptr));
  count = 1; // the launch has read its parameters
  float read[3];
  OK(cuMemcpyDtoHAsync_v2(read, at(sums), sizeof read, a));
  OK(cuStreamSynchronize(a));
  EXPECT_EQ(read[0], 32.0f);
  EXPECT_EQ(read[1], 32.0f);
  EXPECT_EQ(read[2], 11.0f);

  void *one[] = {&numbers};
  OK(cuLaunchKernel(warps, 1, 1, 1, 32, 1, 1, 0, a, one, nullptr));
  OK(cuLaunchKernel(reversed, 1, 1, 1, 32, 1, 1, 32 * sizeof(int), a, one, nullptr));
  int back[32];
  OK(cuMemcpyDtoHAsync_v2(back, at(numbers), sizeof back, a));
  OK(cuStreamSynchronize(a));
  EXPECT_EQ(back[31], 101);
  EXPECT_EQ(back[0], 130);
  EXPECT_EQ(cuLaunchKernel(reversed, 1, 1, 1, 2048, 1, 1, 0, a, one, nullptr), CUDA_ERROR_INVALID_VALUE);
  OK(cuLaunchKernel(warps, 1, 1, 1, 16, 1, 1, 0, a, one, nullptr));
  EXPECT_EQ(cuStreamSynchronize(a), CUDA_ERROR_LAUNCH_FAILED);
  EXPECT_NE(std::strstr(aios_cudasim_last_report(), "user.cu:"), nullptr) << aios_cudasim_last_report();
  OK(cuDevicePrimaryCtxReset_v2(0));
  OK(cuModuleUnload(module));
  free_blocks();
}

TEST_F(Cudasim, AMistakeInASourceIsInTheLog) {
  std::vector<char> image;
  std::string log =
      compile_source("extern \"C\" __global__ void k(int *x) {\n  *x = nonsense;\n}\n", image, NVRTC_ERROR_COMPILATION);
  EXPECT_NE(log.find("user.cu:2"), std::string::npos) << log;
  EXPECT_NE(log.find("nonsense"), std::string::npos) << log;
}

TEST_F(Cudasim, WhatIsNoImageIsRefused) {
  CUmodule module = nullptr;
  std::vector<char> bytes(64, 'x');
  EXPECT_EQ(cuModuleLoadData(&module, bytes.data()), CUDA_ERROR_INVALID_IMAGE);
}

TEST(CudasimSource, KernelsAreFound) {
  using aios::sim::driver::find_kernels;
  EXPECT_EQ(find_kernels("__global__ void a(int);\nextern \"C\" void __global__ __launch_bounds__(2, f(3)) b () {}\n"
                         "// __global__ void c()\n/* __global__ void d() */ const char *e = \"__global__ void e()\";"),
            (std::vector<std::string>{"a", "b"}));
}

TEST(CudasimSource, WithoutACompilerTheLogSaysSo) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        setenv("CXX", "no-such-compiler", 1);
        setenv("PATH", "/nowhere", 1);
        std::vector<char> image;
        std::string log = compile_source("", image, NVRTC_ERROR_BUILTIN_OPERATION_FAILURE);
        _exit(log.find("install g++") != std::string::npos && !testing::Test::HasFailure() ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}

} // namespace

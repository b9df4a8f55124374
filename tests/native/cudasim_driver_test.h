// What the tests of the simulated driver share: a context, and shorter words for what they do all the time.
#pragma once

#include <cstdlib>
#include <functional>
#include <gtest/gtest.h>
#include <memory>
#include <unistd.h>
#include <utility>
#include <vector>

#include "simulator/driver/cuda_api.h"
#include "simulator/driver/cudasim.h"
#include "simulator/executor/device.h"
#include "simulator/executor/enqueue.h"

#define OK(call) ASSERT_EQ(call, CUDA_SUCCESS)

/// Launches a function of the host's as a kernel of the library.
inline CUresult launch(CUstream stream, const char *name, unsigned blocks, unsigned threads,
                       std::function<void()> body) {
  aios::sim::Launch launch;
  launch.name = name;
  launch.grid = aios::sim::Dim3(blocks);
  launch.block = aios::sim::Dim3(threads);
  launch.body = std::move(body);
  return aios::sim::enqueue_launch(reinterpret_cast<aios_stream>(stream), std::move(launch)) == AIOS_STATUS_OK
             ? CUDA_SUCCESS
             : CUDA_ERROR_UNKNOWN;
}

/// Runs a function in a fresh process with other settings; it returns whether all is as it should be.
inline void with_settings(std::initializer_list<std::pair<const char *, const char *>> settings, bool (*good)()) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        for (auto [name, value] : settings) {
          setenv(name, value, 1);
        }
        _exit(good() ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}

inline bool opened(CUstream *stream) {
  CUcontext context = nullptr;
  return cuInit(0) == CUDA_SUCCESS && cuDevicePrimaryCtxRetain(&context, 0) == CUDA_SUCCESS &&
         cuCtxSetCurrent(context) == CUDA_SUCCESS && cuStreamCreate(stream, CU_STREAM_NON_BLOCKING) == CUDA_SUCCESS;
}

/// A thread with the primary context of device 0 and two streams.
class Cudasim : public testing::Test {
protected:
  void SetUp() override {
    OK(cuInit(0));
    OK(cuDevicePrimaryCtxRetain(&context, 0));
    OK(cuCtxSetCurrent(context));
    OK(cuStreamCreate(&a, CU_STREAM_NON_BLOCKING));
    OK(cuStreamCreate(&b, CU_STREAM_NON_BLOCKING));
  }

  void TearDown() override {
    cuStreamDestroy_v2(a);
    cuStreamDestroy_v2(b);
    cuDevicePrimaryCtxRelease_v2(0);
    cuCtxSetCurrent(nullptr);
  }

  template <class T> T *allocate(size_t count) {
    CUdeviceptr pointer = 0;
    EXPECT_EQ(cuMemAlloc_v2(&pointer, count * sizeof(T)), CUDA_SUCCESS);
    blocks.push_back(pointer);
    return reinterpret_cast<T *>(pointer);
  }

  /// Frees what the test allocated, which only works while the context does.
  void free_blocks() {
    for (CUdeviceptr block : blocks) {
      EXPECT_EQ(cuMemFree_v2(block), CUDA_SUCCESS);
    }
    blocks.clear();
  }

  static CUdeviceptr at(const void *pointer) { return reinterpret_cast<CUdeviceptr>(pointer); }

  CUcontext context = nullptr;
  CUstream a = nullptr, b = nullptr;
  std::vector<CUdeviceptr> blocks;
};

/// Pinned memory of the host.
template <class T> class Pinned {
public:
  explicit Pinned(size_t count) { EXPECT_EQ(cuMemHostAlloc(&memory_, count * sizeof(T), 0), CUDA_SUCCESS); }
  Pinned(const Pinned &) = delete;
  Pinned &operator=(const Pinned &) = delete;
  ~Pinned() { EXPECT_EQ(cuMemFreeHost(memory_), CUDA_SUCCESS); }
  T &operator[](size_t i) { return static_cast<T *>(memory_)[i]; }
  CUdeviceptr at() const { return reinterpret_cast<CUdeviceptr>(memory_); }

private:
  void *memory_ = nullptr;
};

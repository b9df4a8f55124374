// The simulated driver through its exported calls: devices, memory, streams, events and errors.
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstring>
#include <thread>

#include "cudasim_driver_test.h"

namespace {

TEST_F(Cudasim, DevicesSayWhatTheyAre) {
  int count = 0, major = 0, minor = 0, shared = 0, can = 0, version = 0;
  char name[64];
  OK(cuDeviceGetCount(&count));
  EXPECT_EQ(count, 2);
  OK(cuDeviceGetName(name, sizeof name, 0));
  EXPECT_STREQ(name, "AiOs CUDA simulator");
  OK(cuDeviceGetAttribute(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, 0));
  OK(cuDeviceGetAttribute(&minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, 0));
  OK(cuDeviceGetAttribute(&shared, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, 0));
  EXPECT_EQ(major * 10 + minor, 90);
  EXPECT_EQ(shared, 232448);
  OK(cuDeviceCanAccessPeer(&can, 0, 1));
  EXPECT_EQ(can, 1);
  OK(cuDriverGetVersion(&version));
  EXPECT_EQ(version, 12040);
  EXPECT_EQ(cuDeviceGetName(name, sizeof name, 2), CUDA_ERROR_INVALID_DEVICE);
  const char *text = nullptr;
  OK(cuGetErrorName(CUDA_ERROR_LAUNCH_FAILED, &text));
  EXPECT_STREQ(text, "CUDA_ERROR_LAUNCH_FAILED");
  EXPECT_EQ(cuGetErrorString(static_cast<CUresult>(12345), &text), CUDA_ERROR_INVALID_VALUE);
}

TEST_F(Cudasim, ContextsBelongToThreads) {
  CUcontext found = nullptr;
  OK(cuCtxGetCurrent(&found));
  EXPECT_EQ(found, context);
  std::thread([] {
    CUcontext none = nullptr;
    CUdeviceptr pointer = 0;
    EXPECT_EQ(cuCtxGetCurrent(&none), CUDA_SUCCESS);
    EXPECT_EQ(none, nullptr);
    EXPECT_EQ(cuMemAlloc_v2(&pointer, 16), CUDA_ERROR_INVALID_CONTEXT);
  }).join();
}

TEST_F(Cudasim, FreshMemoryIsNan) {
  float *memory = allocate<float>(100);
  float read[100] = {};
  OK(cuMemcpyDtoH_v2(read, at(memory), sizeof read));
  for (float value : read) {
    EXPECT_TRUE(std::isnan(value));
  }
  free_blocks();
}

TEST_F(Cudasim, MemoryIsCounted) {
  size_t before = 0, during = 0, after = 0, total = 0;
  OK(cuMemGetInfo_v2(&before, &total));
  allocate<char>(1 << 20);
  OK(cuMemGetInfo_v2(&during, &total));
  EXPECT_EQ(before - during, 1u << 20);
  free_blocks();
  OK(cuMemGetInfo_v2(&after, &total));
  EXPECT_EQ(after, before);
  CUdeviceptr none = 0;
  EXPECT_EQ(cuMemAlloc_v2(&none, total + 1), CUDA_ERROR_OUT_OF_MEMORY);
  EXPECT_EQ(cuMemFree_v2(12345), CUDA_ERROR_INVALID_VALUE);
}

TEST_F(Cudasim, PageableMemoryIsReadBeforeTheCallReturns) {
  int *memory = allocate<int>(1000);
  std::vector<int> source(1000, 7);
  OK(cuMemcpyHtoDAsync_v2(at(memory), source.data(), 4000, a));
  std::fill(source.begin(), source.end(), 8);
  std::vector<int> back(1000);
  OK(cuMemcpyDtoHAsync_v2(back.data(), at(memory), 4000, a));
  OK(cuStreamSynchronize(a));
  EXPECT_EQ(back, std::vector<int>(1000, 7));
  free_blocks();
}

TEST_F(Cudasim, PinnedMemoryIsReadLate) {
  int *memory = allocate<int>(1);
  Pinned<int> source(1), back(1);
  int late = 0;
  for (int i = 0; i < 40; ++i) {
    source[0] = 1;
    std::atomic<bool> go = false;
    OK(cuLaunchHostFunc(
        a, [](void *flag) { static_cast<std::atomic<bool> *>(flag)->wait(false); }, &go));
    OK(cuMemcpyAsync(at(memory), source.at(), 4, a));
    source[0] = 2; // what a program must not do
    go = true;
    go.notify_all();
    OK(cuMemcpyAsync(back.at(), at(memory), 4, a));
    OK(cuStreamSynchronize(a));
    late += back[0] == 2;
  }
  EXPECT_EQ(late, 40);
  free_blocks();
}

TEST_F(Cudasim, WorkThatNobodyWaitsForIsDelayed) {
  int *memory = allocate<int>(1);
  int late = 0;
  for (int i = 0; i < 100; ++i) {
    const auto start = std::chrono::steady_clock::now();
    OK(cuMemsetD32Async(at(memory), 5, 1, a));
    while (cuStreamQuery(a) == CUDA_ERROR_NOT_READY) {
      std::this_thread::yield();
    }
    // A busy machine only makes more of them late.
    late += std::chrono::steady_clock::now() - start > std::chrono::microseconds(200);
    OK(cuMemsetD32Async(at(memory), 6, 1, a));
    OK(cuStreamSynchronize(a));
    OK(cuStreamQuery(a));
  }
  EXPECT_GT(late, 5);
  free_blocks();
}

TEST_F(Cudasim, StreamsRunInAnyOrderUnlessEventsOrderThem) {
  int *memory = allocate<int>(1);
  Pinned<int> seen(1);
  Pinned<cuuint32_t> turn(1);
  turn[0] = 0;
  CUstream starter = nullptr;
  CUevent event = nullptr;
  OK(cuStreamCreate(&starter, CU_STREAM_NON_BLOCKING));
  OK(cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
  int first = 0;
  for (int i = 0; i < 60; ++i) {
    bool ordered = i % 2 == 0;
    OK(cuMemsetD32Async(at(memory), 0, 1, a));
    OK(cuStreamSynchronize(a));
    // Both streams begin when all is enqueued, however slow the host: their order is the simulator's choice alone.
    OK(cuStreamWaitValue32_v2(a, turn.at(), static_cast<cuuint32_t>(i + 1), 0));
    OK(cuStreamWaitValue32_v2(b, turn.at(), static_cast<cuuint32_t>(i + 1), 0));
    OK(cuMemsetD32Async(at(memory), 1, 1, a));
    if (ordered) {
      OK(cuEventRecord(event, a));
      OK(cuStreamWaitEvent(b, event, 0));
    }
    OK(cuMemcpyAsync(seen.at(), at(memory), 4, b));
    OK(cuStreamWriteValue32_v2(starter, turn.at(), static_cast<cuuint32_t>(i + 1), 0));
    OK(cuStreamSynchronize(b));
    OK(cuStreamSynchronize(a));
    if (ordered) {
      EXPECT_EQ(seen[0], 1);
    } else {
      first += seen[0] == 0;
    }
  }
  EXPECT_GT(first, 0);
  EXPECT_LT(first, 30);
  OK(cuEventDestroy_v2(event));
  OK(cuStreamDestroy_v2(starter));
  free_blocks();
}

TEST_F(Cudasim, TheDefaultStreamWaitsForBlockingOnes) {
  int *memory = allocate<int>(1);
  CUstream blocking = nullptr;
  OK(cuStreamCreate(&blocking, CU_STREAM_DEFAULT));
  for (int i = 0; i < 40; ++i) {
    OK(cuMemsetD32Async(at(memory), 3, 1, blocking));
    OK(cuMemsetD32Async(at(memory), 4, 1, nullptr));
    OK(cuMemsetD32Async(at(memory), static_cast<unsigned>(i), 1, blocking));
    int back = -1;
    OK(cuMemcpyDtoH_v2(&back, at(memory), 4));
    EXPECT_EQ(back, i);
  }
  OK(cuStreamDestroy_v2(blocking));
  free_blocks();
}

TEST_F(Cudasim, EventsMeasureTime) {
  CUevent start = nullptr, end = nullptr, never = nullptr;
  OK(cuEventCreate(&start, 0));
  OK(cuEventCreate(&end, 0));
  OK(cuEventCreate(&never, 0));
  OK(cuEventQuery(never));
  OK(cuEventRecord(start, a));
  OK(cuLaunchHostFunc(
      a, [](void *) { std::this_thread::sleep_for(std::chrono::milliseconds(3)); }, nullptr));
  OK(cuEventRecord(end, a));
  OK(cuEventSynchronize(end));
  float milliseconds = 0;
  OK(cuEventElapsedTime(&milliseconds, start, end));
  EXPECT_GE(milliseconds, 3.0f);
  EXPECT_EQ(cuEventElapsedTime(&milliseconds, start, never), CUDA_ERROR_INVALID_HANDLE);
  for (CUevent event : {start, end, never}) {
    OK(cuEventDestroy_v2(event));
  }
}

TEST_F(Cudasim, AFunctionOfTheHostThatBlocksStopsOnlyItsStream) {
  std::atomic<bool> go = false;
  OK(cuLaunchHostFunc(
      a, [](void *flag) { static_cast<std::atomic<bool> *>(flag)->wait(false); }, &go));
  bool ran = false;
  OK(cuLaunchHostFunc(
      b, [](void *flag) { *static_cast<bool *>(flag) = true; }, &ran));
  OK(cuStreamSynchronize(b));
  EXPECT_TRUE(ran);
  EXPECT_EQ(cuStreamQuery(a), CUDA_ERROR_NOT_READY);
  go = true;
  go.notify_all();
  OK(cuStreamSynchronize(a));
}

TEST_F(Cudasim, StreamsWaitForValues) {
  int *memory = allocate<int>(2);
  Pinned<cuuint32_t> flag(1);
  flag[0] = 0;
  OK(cuStreamWaitValue32_v2(a, flag.at(), 3, 0)); // at least 3
  OK(cuMemsetD32Async(at(memory), 7, 1, a));
  EXPECT_EQ(cuStreamQuery(a), CUDA_ERROR_NOT_READY);
  OK(cuStreamWriteValue32_v2(b, flag.at(), 2, 0));
  OK(cuStreamSynchronize(b));
  EXPECT_EQ(cuStreamQuery(a), CUDA_ERROR_NOT_READY);
  OK(cuStreamWriteValue32_v2(b, flag.at(), 5, 0));
  OK(cuStreamSynchronize(a));
  EXPECT_EQ(cuStreamWaitValue32_v2(a, 16, 0, 0), CUDA_ERROR_INVALID_VALUE);
  free_blocks();
}

TEST_F(Cudasim, KernelsRunInTheOrderOfTheirStream) {
  int *memory = allocate<int>(64);
  OK(cuMemsetD32Async(at(memory), 1, 64, a));
  for (int i = 0; i < 5; ++i) {
    OK(launch(a, "double_kernel", 2, 32, [=] { memory[blockIdx.x * blockDim.x + threadIdx.x] *= 2; }));
  }
  int back[64];
  OK(cuMemcpyDtoHAsync_v2(back, at(memory), sizeof back, a));
  OK(cuStreamSynchronize(a));
  for (int value : back) {
    EXPECT_EQ(value, 32);
  }
  free_blocks();
}

TEST_F(Cudasim, CopiesGoBetweenDevices) {
  CUcontext other = nullptr;
  OK(cuDevicePrimaryCtxRetain(&other, 1));
  int *here = allocate<int>(256);
  OK(cuMemsetD32Async(at(here), 77, 256, a));
  OK(cuStreamSynchronize(a));
  OK(cuCtxSetCurrent(other));
  CUstream stream = nullptr;
  CUdeviceptr there = 0;
  OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
  OK(cuMemAlloc_v2(&there, 1024));
  OK(cuCtxEnablePeerAccess(context, 0));
  EXPECT_EQ(cuCtxEnablePeerAccess(context, 0), CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED);
  OK(cuMemcpyPeerAsync(there, other, at(here), context, 1024, stream));
  int back[256];
  OK(cuMemcpyDtoHAsync_v2(back, there, sizeof back, stream));
  OK(cuStreamSynchronize(stream));
  EXPECT_EQ(back[255], 77);
  unsigned ordinal = 9;
  OK(cuPointerGetAttribute(&ordinal, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, there));
  EXPECT_EQ(ordinal, 1u);
  OK(cuMemFree_v2(there));
  OK(cuStreamDestroy_v2(stream));
  OK(cuCtxSetCurrent(context));
  OK(cuDevicePrimaryCtxRelease_v2(1));
  free_blocks();
}

TEST_F(Cudasim, PointersAreKnown) {
  char *memory = allocate<char>(100);
  unsigned type = 0;
  CUdeviceptr start = 0;
  size_t bytes = 0;
  OK(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, at(memory + 50)));
  EXPECT_EQ(type, static_cast<unsigned>(CU_MEMORYTYPE_DEVICE));
  OK(cuMemGetAddressRange_v2(&start, &bytes, at(memory + 50)));
  EXPECT_EQ(start, at(memory));
  EXPECT_EQ(bytes, 100u);
  int local = 0;
  EXPECT_EQ(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, at(&local)), CUDA_ERROR_INVALID_VALUE);
  alignas(64) static char registered[256];
  OK(cuMemHostRegister_v2(registered, sizeof registered, 0));
  EXPECT_EQ(cuMemHostRegister_v2(registered, 1, 0), CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED);
  OK(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, at(registered + 5)));
  EXPECT_EQ(type, static_cast<unsigned>(CU_MEMORYTYPE_HOST));
  OK(cuMemHostUnregister(registered));
  EXPECT_EQ(cuMemHostUnregister(registered), CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED);
  free_blocks();
}

TEST_F(Cudasim, StreamOrderedMemoryLivesAsLongAsItsWork) {
  CUmemoryPool pool = nullptr;
  OK(cuDeviceGetDefaultMemPool(&pool, 0));
  cuuint64_t used = 9;
  CUdeviceptr memory = 0;
  OK(cuMemAllocAsync(&memory, 4096, a));
  OK(cuMemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_USED_MEM_CURRENT, &used));
  EXPECT_EQ(used, 4096u);
  OK(cuMemsetD8Async(memory, 3, 4096, a));
  OK(cuMemFreeAsync(memory, a));
  OK(cuStreamSynchronize(a));
  OK(cuMemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_USED_MEM_CURRENT, &used));
  EXPECT_EQ(used, 0u);
  EXPECT_EQ(cuMemFreeAsync(memory, a), CUDA_ERROR_INVALID_VALUE);
}

TEST_F(Cudasim, OccupancyFollowsTheLimits) {
  int blocks = 0, grid = 0, block = 0;
  OK(cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, nullptr, 1024, 0));
  EXPECT_EQ(blocks, 2);
  OK(cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, nullptr, 32, 0));
  EXPECT_EQ(blocks, 32);
  OK(cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, nullptr, 128, 100 * 1024));
  EXPECT_EQ(blocks, 2);
  OK(cuOccupancyMaxPotentialBlockSize(&grid, &block, nullptr, nullptr, 0, 0));
  EXPECT_EQ(block, 1024);
  EXPECT_EQ(grid, 264);
}

TEST_F(Cudasim, ATensorMapThatTheHardwareCannotUseIsRefusedWithAReason) {
  alignas(64) CUtensorMap map;
  unsigned short *memory = allocate<unsigned short>(64 * 128);
  cuuint64_t extents[] = {128, 64}, strides[] = {256};
  cuuint32_t box[] = {64, 8}, steps[] = {1, 1};
  auto encode = [&] {
    return cuTensorMapEncodeTiled(&map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 2, memory, extents, strides, box, steps,
                                  CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                                  CU_TENSOR_MAP_L2_PROMOTION_NONE, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  };
  OK(encode());
  box[0] = 128;
  EXPECT_EQ(encode(), CUDA_ERROR_INVALID_VALUE);
  EXPECT_NE(std::strstr(aios_cudasim_last_report(), "256 bytes wide"), nullptr) << aios_cudasim_last_report();
  free_blocks();
}

TEST_F(Cudasim, AFailureSticksToTheContextUntilItIsReset) {
  int *memory = allocate<int>(4);
  EXPECT_EQ(cuMemsetD32Async(16, 1, 4, a), CUDA_ERROR_INVALID_VALUE); // no memory of the device: refused at once
  OK(cuStreamSynchronize(a));
  OK(cuMemsetD32Async(at(memory), 1, 4096, a)); // beyond the block's end
  EXPECT_EQ(cuStreamSynchronize(a), CUDA_ERROR_ILLEGAL_ADDRESS);
  EXPECT_EQ(cuStreamSynchronize(b), CUDA_ERROR_ILLEGAL_ADDRESS);
  CUdeviceptr none = 0;
  EXPECT_EQ(cuMemAlloc_v2(&none, 16), CUDA_ERROR_ILLEGAL_ADDRESS);
  EXPECT_NE(std::strstr(aios_cudasim_last_report(), "the block ends after 16"), nullptr) << aios_cudasim_last_report();
  OK(cuDevicePrimaryCtxReset_v2(0));
  OK(cuMemAlloc_v2(&none, 16));
  OK(cuMemFree_v2(none));
  free_blocks();
}

TEST_F(Cudasim, CallbacksAreToldOfAFailure) {
  int *memory = allocate<int>(4);
  std::atomic<int> told = 0;
  std::atomic<bool> go = false;
  OK(cuLaunchHostFunc(
      a, [](void *flag) { static_cast<std::atomic<bool> *>(flag)->wait(false); }, &go));
  OK(cuMemsetD32Async(at(memory), 1, 4096, a));
  OK(cuStreamAddCallback(
      a, [](CUstream, CUresult status, void *seen) { *static_cast<std::atomic<int> *>(seen) = status; }, &told, 0));
  go = true;
  go.notify_all();
  EXPECT_EQ(cuStreamSynchronize(a), CUDA_ERROR_ILLEGAL_ADDRESS);
  // The time is for a driver that is broken.
  for (int i = 0; i < 60'000 && told == 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(told, CUDA_ERROR_ILLEGAL_ADDRESS);
  OK(cuDevicePrimaryCtxReset_v2(0));
  free_blocks();
}

TEST(CudasimSettings, FaultsHappenWhereTheyAreAskedFor) {
  with_settings({{"AIOS_CUDASIM_FAULTS", "oom=2"}}, [] {
    CUstream stream;
    CUdeviceptr memory;
    return opened(&stream) && cuMemAlloc_v2(&memory, 16) == CUDA_SUCCESS &&
           cuMemAlloc_v2(&memory, 16) == CUDA_ERROR_OUT_OF_MEMORY && cuMemAlloc_v2(&memory, 16) == CUDA_SUCCESS;
  });
  with_settings({{"AIOS_CUDASIM_FAULTS", "launch=2"}}, [] {
    CUstream stream;
    return opened(&stream) && launch(stream, "k", 1, 1, [] {}) == CUDA_SUCCESS &&
           cuStreamSynchronize(stream) == CUDA_SUCCESS && launch(stream, "k", 1, 1, [] {}) == CUDA_SUCCESS &&
           cuStreamSynchronize(stream) == CUDA_ERROR_LAUNCH_FAILED;
  });
  with_settings({{"AIOS_CUDASIM_FAULTS", "lost=1"}}, [] {
    CUstream stream;
    return opened(&stream) && launch(stream, "k", 1, 1, [] {}) == CUDA_SUCCESS &&
           cuStreamSynchronize(stream) == CUDA_ERROR_DEVICE_UNAVAILABLE &&
           cuCtxSynchronize() == CUDA_ERROR_DEVICE_UNAVAILABLE;
  });
  with_settings({{"AIOS_CUDASIM_FAULTS", "arch=70"}}, [] {
    CUstream stream;
    int major = 0;
    return opened(&stream) &&
           cuDeviceGetAttribute(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, 0) == CUDA_SUCCESS &&
           major == 7 && launch(stream, "k", 1, 1, [] {}) != CUDA_SUCCESS;
  });
  with_settings({{"AIOS_CUDASIM_FAULTS", "driver=11000,init=100"}}, [] {
    int version = 0;
    return cuDriverGetVersion(&version) == CUDA_SUCCESS && version == 11000 && cuInit(0) == CUDA_ERROR_NO_DEVICE;
  });
}

TEST(CudasimSettings, BadValuesAreNamed) {
  with_settings({{"AIOS_CUDASIM_FAULTS", "oom=2,frobnicate=1"}}, [] {
    return cuInit(0) == CUDA_ERROR_INVALID_VALUE && std::strstr(aios_cudasim_last_report(), "frobnicate=1") != nullptr;
  });
  with_settings({{"AIOS_CUDASIM_DEVICES", "9"}}, [] {
    return cuInit(0) == CUDA_ERROR_INVALID_VALUE &&
           std::strstr(aios_cudasim_last_report(), "AIOS_CUDASIM_DEVICES is \"9\"") != nullptr;
  });
}

TEST(CudasimSettings, TheDeviceIsAsSmallAsItIsAskedToBe) {
  with_settings({{"AIOS_CUDASIM_MEMORY", "4194304"}, {"AIOS_CUDASIM_DEVICES", "3"}}, [] {
    CUstream stream;
    CUdeviceptr memory;
    int count = 0;
    return opened(&stream) && cuDeviceGetCount(&count) == CUDA_SUCCESS && count == 3 &&
           cuMemAlloc_v2(&memory, 3 << 20) == CUDA_SUCCESS &&
           cuMemAlloc_v2(&memory, 2 << 20) == CUDA_ERROR_OUT_OF_MEMORY;
  });
}

} // namespace

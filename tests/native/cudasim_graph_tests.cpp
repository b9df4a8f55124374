// Capture and graphs of the simulated driver, and its virtual memory.
#include <cstring>

#include "cudasim_driver_test.h"

namespace {

constexpr size_t kPage = 2 << 20;

TEST_F(Cudasim, CaptureRunsNothingAndLaunchesRunEverything) {
  int *memory = allocate<int>(32);
  OK(cuMemsetD32Async(at(memory), 0, 32, a));
  OK(cuStreamSynchronize(a));
  CUgraph graph = nullptr;
  CUgraphExec exec = nullptr;
  OK(cuStreamBeginCapture_v2(a, CU_STREAM_CAPTURE_MODE_RELAXED));
  OK(launch(a, "add_kernel", 1, 32, [=] { memory[threadIdx.x] += 1; }));
  OK(launch(a, "double_kernel", 1, 32, [=] { memory[threadIdx.x] *= 2; }));
  OK(cuStreamEndCapture(a, &graph));
  OK(cuGraphInstantiateWithFlags(&exec, graph, 0));
  int back[32];
  OK(cuMemcpyDtoH_v2(back, at(memory), sizeof back));
  EXPECT_EQ(back[31], 0);
  for (int i = 0; i < 3; ++i) {
    OK(cuGraphLaunch(exec, i % 2 == 0 ? a : b)); // launches of one graph follow each other on whatever streams
  }
  OK(cuCtxSynchronize());
  OK(cuMemcpyDtoH_v2(back, at(memory), sizeof back));
  EXPECT_EQ(back[31], 14);
  OK(cuGraphExecDestroy(exec));
  OK(cuGraphDestroy(graph));
  free_blocks();
}

TEST_F(Cudasim, EventsForkAndJoinACapture) {
  int *memory = allocate<int>(2);
  CUevent fork = nullptr, join = nullptr;
  OK(cuEventCreate(&fork, CU_EVENT_DISABLE_TIMING));
  OK(cuEventCreate(&join, CU_EVENT_DISABLE_TIMING));
  CUgraph graph = nullptr;
  CUgraphExec exec = nullptr;
  OK(cuStreamBeginCapture_v2(a, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
  OK(cuMemsetD32Async(at(memory), 1, 2, a));
  OK(cuEventRecord(fork, a));
  OK(cuStreamWaitEvent(b, fork, 0));
  OK(launch(b, "left_kernel", 1, 1, [=] { memory[0] += 4; }));
  OK(launch(a, "right_kernel", 1, 1, [=] { memory[1] += 6; }));
  OK(cuEventRecord(join, b));
  OK(cuStreamWaitEvent(a, join, 0));
  OK(launch(a, "both_kernel", 1, 1, [=] { memory[0] *= memory[1]; }));
  OK(cuStreamEndCapture(a, &graph));
  size_t nodes = 0, edges = 0, roots = 0;
  OK(cuGraphGetNodes(graph, nullptr, &nodes));
  OK(cuGraphGetEdges(graph, nullptr, nullptr, &edges));
  OK(cuGraphGetRootNodes(graph, nullptr, &roots));
  EXPECT_EQ(nodes, 4u);
  EXPECT_EQ(edges, 4u);
  EXPECT_EQ(roots, 1u);
  OK(cuGraphInstantiateWithFlags(&exec, graph, 0));
  for (int i = 0; i < 20; ++i) {
    OK(cuGraphLaunch(exec, b));
    int back[2];
    OK(cuMemcpyDtoHAsync_v2(back, at(memory), sizeof back, b));
    OK(cuStreamSynchronize(b));
    EXPECT_EQ(back[0], 35);
  }
  OK(cuGraphExecDestroy(exec));
  OK(cuGraphDestroy(graph));
  OK(cuEventDestroy_v2(fork));
  OK(cuEventDestroy_v2(join));
  free_blocks();
}

TEST_F(Cudasim, ABranchMustBeJoined) {
  int *memory = allocate<int>(2);
  CUevent fork = nullptr;
  CUgraph graph = nullptr;
  OK(cuEventCreate(&fork, CU_EVENT_DISABLE_TIMING));
  OK(cuStreamBeginCapture_v2(a, CU_STREAM_CAPTURE_MODE_RELAXED));
  OK(cuEventRecord(fork, a));
  OK(cuStreamWaitEvent(b, fork, 0));
  OK(cuMemsetD32Async(at(memory), 1, 2, b));
  EXPECT_EQ(cuStreamEndCapture(a, &graph), CUDA_ERROR_STREAM_CAPTURE_UNJOINED);
  EXPECT_EQ(graph, nullptr);
  CUstreamCaptureStatus status;
  OK(cuStreamIsCapturing(b, &status));
  EXPECT_EQ(status, CU_STREAM_CAPTURE_STATUS_NONE);
  OK(cuMemsetD32Async(at(memory), 1, 2, b));
  OK(cuStreamSynchronize(b));
  OK(cuEventDestroy_v2(fork));
  free_blocks();
}

TEST_F(Cudasim, WhatCannotBeCapturedEndsTheCapture) {
  CUgraph graph = nullptr;
  CUdeviceptr pointer = 0;
  OK(cuStreamBeginCapture_v2(a, CU_STREAM_CAPTURE_MODE_RELAXED));
  OK(cuMemAlloc_v2(&pointer, 16)); // allowed when relaxed
  OK(cuMemFree_v2(pointer));
  EXPECT_EQ(cuStreamSynchronize(a), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  EXPECT_EQ(cuStreamEndCapture(a, &graph), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
  OK(cuStreamBeginCapture_v2(a, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
  EXPECT_EQ(cuMemAlloc_v2(&pointer, 16), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  EXPECT_EQ(cuStreamEndCapture(a, &graph), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
}

TEST_F(Cudasim, NodesOfAnInstanceGetOtherValues) {
  int *memory = allocate<int>(8);
  CUgraph graph = nullptr, other = nullptr;
  CUgraphExec exec = nullptr;
  auto capture = [&](int value, CUgraph *captured) {
    OK(cuStreamBeginCapture_v2(a, CU_STREAM_CAPTURE_MODE_RELAXED));
    OK(launch(a, "set_kernel", 1, 8, [=] { memory[threadIdx.x] = value; }));
    OK(cuStreamEndCapture(a, captured));
  };
  capture(1, &graph);
  capture(2, &other);
  OK(cuGraphInstantiateWithFlags(&exec, graph, 0));
  CUgraphNode node = nullptr, changed = nullptr;
  size_t one = 1;
  OK(cuGraphGetNodes(graph, &node, &one));
  OK(cuGraphGetNodes(other, &changed, &one));
  CUDA_KERNEL_NODE_PARAMS parameters;
  OK(cuGraphKernelNodeGetParams_v2(changed, &parameters));
  const char *name = nullptr;
  OK(cuFuncGetName(&name, parameters.func));
  EXPECT_STREQ(name, "set_kernel");
  OK(cuGraphLaunch(exec, a)); // keeps the value of now
  OK(cuGraphExecKernelNodeSetParams_v2(exec, node, &parameters));
  int back = 0;
  OK(cuMemcpyDtoHAsync_v2(&back, at(memory), 4, a));
  OK(cuStreamSynchronize(a));
  EXPECT_EQ(back, 1);
  OK(cuGraphLaunch(exec, a));
  OK(cuMemcpyDtoHAsync_v2(&back, at(memory), 4, a));
  OK(cuStreamSynchronize(a));
  EXPECT_EQ(back, 2);
  CUDA_MEMSET_NODE_PARAMS fill = {};
  EXPECT_EQ(cuGraphExecMemsetNodeSetParams(exec, node, &fill, context), CUDA_ERROR_INVALID_VALUE);
  CUgraphExecUpdateResultInfo info;
  OK(cuGraphExecUpdate_v2(exec, graph, &info));
  OK(cuGraphLaunch(exec, a));
  OK(cuMemcpyDtoHAsync_v2(&back, at(memory), 4, a));
  OK(cuStreamSynchronize(a));
  EXPECT_EQ(back, 1);
  OK(cuGraphExecDestroy(exec));
  OK(cuGraphDestroy(graph));
  OK(cuGraphDestroy(other));
  free_blocks();
}

TEST_F(Cudasim, CopiesAndFillsHaveValues) {
  int *memory = allocate<int>(8);
  CUgraph graph = nullptr;
  OK(cuStreamBeginCapture_v2(a, CU_STREAM_CAPTURE_MODE_RELAXED));
  OK(cuMemsetD32Async(at(memory), 9, 4, a));
  OK(cuMemcpyAsync(at(memory + 4), at(memory), 16, a));
  OK(cuStreamEndCapture(a, &graph));
  CUgraphNode nodes[2];
  size_t count = 2;
  OK(cuGraphGetNodes(graph, nodes, &count));
  CUgraphNodeType type;
  OK(cuGraphNodeGetType(nodes[0], &type));
  CUgraphNode fill = type == CU_GRAPH_NODE_TYPE_MEMSET ? nodes[0] : nodes[1];
  CUgraphNode copy = fill == nodes[0] ? nodes[1] : nodes[0];
  CUDA_MEMSET_NODE_PARAMS filled;
  CUDA_MEMCPY3D copied;
  OK(cuGraphMemsetNodeGetParams(fill, &filled));
  OK(cuGraphMemcpyNodeGetParams(copy, &copied));
  EXPECT_EQ(filled.width, 4u);
  EXPECT_EQ(filled.value, 9u);
  EXPECT_EQ(copied.WidthInBytes, 16u);
  EXPECT_EQ(copied.srcDevice, at(memory));
  OK(cuGraphDestroy(graph));
  free_blocks();
}

TEST_F(Cudasim, GraphsAreBuiltByHandToo) {
  CUgraph graph = nullptr, clone = nullptr;
  CUgraphNode first = nullptr, second = nullptr;
  CUgraphExec exec = nullptr;
  OK(cuGraphCreate(&graph, 0));
  OK(cuGraphAddEmptyNode(&first, graph, nullptr, 0));
  OK(cuGraphAddEmptyNode(&second, graph, &first, 1));
  OK(cuGraphClone(&clone, graph));
  size_t edges = 0;
  OK(cuGraphGetEdges(clone, nullptr, nullptr, &edges));
  EXPECT_EQ(edges, 1u);
  OK(cuGraphInstantiateWithFlags(&exec, clone, 0));
  OK(cuGraphLaunch(exec, a));
  OK(cuStreamSynchronize(a));
  OK(cuGraphAddDependencies(graph, &second, &first, 1));
  CUgraphExec none = nullptr;
  EXPECT_EQ(cuGraphInstantiateWithFlags(&none, graph, 0), CUDA_ERROR_INVALID_VALUE); // a circle
  OK(cuGraphExecDestroy(exec));
  OK(cuGraphDestroy(graph));
  OK(cuGraphDestroy(clone));
  EXPECT_EQ(cuGraphDestroy(clone), CUDA_ERROR_INVALID_VALUE);
}

/// One page of physical memory of device 0.
CUmemGenericAllocationHandle create(size_t bytes) {
  CUmemAllocationProp properties = {};
  properties.type = CU_MEM_ALLOCATION_TYPE_PINNED;
  properties.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
  CUmemGenericAllocationHandle handle = 0;
  EXPECT_EQ(cuMemCreate(&handle, bytes, &properties, 0), CUDA_SUCCESS);
  return handle;
}

CUmemAccessDesc rights(CUmemAccess_flags flags) {
  CUmemAccessDesc access = {};
  access.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
  access.flags = flags;
  return access;
}

TEST_F(Cudasim, PhysicalMemoryShowsWhereverItIsMapped) {
  CUdeviceptr range = 0;
  OK(cuMemAddressReserve(&range, 8 * kPage, 0, 0, 0));
  EXPECT_EQ(range % kPage, 0u);
  CUmemGenericAllocationHandle page = create(kPage);
  OK(cuMemMap(range, kPage, 0, page, 0));
  OK(cuMemMap(range + 4 * kPage, kPage, 0, page, 0));
  EXPECT_EQ(cuMemMap(range, kPage, 0, page, 0), CUDA_ERROR_INVALID_VALUE);
  CUmemAccessDesc write = rights(CU_MEM_ACCESS_FLAGS_PROT_READWRITE);
  OK(cuMemSetAccess(range, kPage, &write, 1));
  OK(cuMemSetAccess(range + 4 * kPage, kPage, &write, 1));
  float fresh = 0;
  OK(cuMemcpyDtoH_v2(&fresh, range + 100, 4));
  EXPECT_NE(fresh, fresh);
  OK(cuMemsetD32Async(range + 64, 42, 1, a));
  OK(cuStreamSynchronize(a));
  int back = 0;
  OK(cuMemcpyDtoH_v2(&back, range + 4 * kPage + 64, 4));
  EXPECT_EQ(back, 42);
  size_t before = 0, after = 0, total = 0;
  OK(cuMemRelease(page));
  OK(cuMemGetInfo_v2(&before, &total));
  OK(cuMemUnmap(range, kPage));
  OK(cuMemGetInfo_v2(&after, &total));
  EXPECT_EQ(after, before); // mapped elsewhere
  OK(cuMemUnmap(range + 4 * kPage, kPage));
  OK(cuMemGetInfo_v2(&after, &total));
  EXPECT_EQ(after, before + kPage);
  OK(cuMemAddressFree(range, 8 * kPage));
}

TEST_F(Cudasim, AMappingIsUnmappedWhole) {
  CUdeviceptr range = 0;
  OK(cuMemAddressReserve(&range, 4 * kPage, 0, 0, 0));
  CUmemGenericAllocationHandle pages = create(2 * kPage);
  OK(cuMemMap(range, 2 * kPage, 0, pages, 0));
  EXPECT_EQ(cuMemUnmap(range, kPage), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuMemAddressFree(range, 4 * kPage), CUDA_ERROR_INVALID_VALUE);
  OK(cuMemUnmap(range, 2 * kPage));
  OK(cuMemRelease(pages));
  OK(cuMemAddressFree(range, 4 * kPage));
}

TEST_F(Cudasim, WhatIsNotMappedOrNotAllowedIsAnError) {
  CUdeviceptr range = 0;
  OK(cuMemAddressReserve(&range, 4 * kPage, 0, 0, 0));
  CUmemGenericAllocationHandle page = create(kPage);
  OK(cuMemMap(range, kPage, 0, page, 0));
  CUmemAccessDesc read = rights(CU_MEM_ACCESS_FLAGS_PROT_READ);
  OK(cuMemSetAccess(range, kPage, &read, 1));
  OK(cuMemsetD32Async(range, 1, 1, a));
  EXPECT_EQ(cuStreamSynchronize(a), CUDA_ERROR_ILLEGAL_ADDRESS);
  EXPECT_NE(std::strstr(aios_cudasim_last_report(), "does not allow"), nullptr) << aios_cudasim_last_report();
  OK(cuDevicePrimaryCtxReset_v2(0));
  OK(cuStreamCreate(&a, CU_STREAM_NON_BLOCKING));
  OK(cuMemsetD32Async(range + kPage, 1, 1, a));
  EXPECT_EQ(cuStreamSynchronize(a), CUDA_ERROR_ILLEGAL_ADDRESS);
  EXPECT_NE(std::strstr(aios_cudasim_last_report(), "nothing is mapped"), nullptr) << aios_cudasim_last_report();
  OK(cuDevicePrimaryCtxReset_v2(0));
  OK(cuMemUnmap(range, kPage));
  OK(cuMemRelease(page));
  OK(cuMemAddressFree(range, 4 * kPage));
}

} // namespace

// What every kernel file includes first: the language of kernels, shared memory and launches, on the device and on the
// host. The only place besides ptx.cuh that knows which of the two it is.
//
// Kernels are plain functions `__global__ void f(...)` without static shared memory: they lay out the launch's dynamic
// shared memory by offsets and reach it through Shared<T>. Its first byte is aligned to 1024.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "aios.h"
#include "native/common/status.h"

#ifdef __CUDACC__
#include <cuda_runtime.h>
#include <nvtx3/nvToolsExt.h>
#else
#include "native/simulator/executor/device.h"
#include "native/simulator/executor/enqueue.h"
#endif

namespace aios::cuda {

#ifdef __CUDACC__

using Dim3 = dim3;

extern __shared__ __align__(1024) unsigned char shared_window[];

/// An array of T at an offset of the block's shared memory.
template <class T> class Shared {
public:
  __device__ constexpr explicit Shared(uint32_t offset) : offset_(offset) {}
  __device__ T &operator[](int64_t index) const { return first()[index]; }
  __device__ constexpr Shared operator+(int64_t elements) const {
    return Shared(static_cast<uint32_t>(offset_ + elements * static_cast<int64_t>(sizeof(T))));
  }
  /// The shared address of an element, for PTX.
  __device__ uint32_t address(int64_t index = 0) const {
    return static_cast<uint32_t>(__cvta_generic_to_shared(first() + index));
  }
  __device__ T atomic_add(int64_t index, T value) const { return atomicAdd(first() + index, value); }
  __device__ T atomic_max(int64_t index, T value) const { return atomicMax(first() + index, value); }

private:
  __device__ T *first() const { return reinterpret_cast<T *>(shared_window + offset_); }
  uint32_t offset_;
};

#else

using Dim3 = sim::Dim3;
using sim::Shared;

#endif

/// How a kernel is launched.
struct Shape {
  Dim3 grid, block;
  size_t shared_bytes = 0;
  Dim3 cluster = Dim3(1, 1, 1);
};

/// Launches `kernel` on a stream. `name` stands in error messages and reports: "<op>_<variant>". Both forms set the
/// thread's last error when they fail.
template <class... P>
aios_status launch(aios_stream stream, const char *name, const Shape &shape, void (*kernel)(P...),
                   std::type_identity_t<P>... arguments) {
#ifdef __CUDACC__
  constexpr size_t granted = 48 * 1024; // more must be asked for
  cudaError_t error = cudaSuccess;
  if (shape.shared_bytes > granted)
    error =
        cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shape.shared_bytes));
  if (error == cudaSuccess) {
    cudaLaunchAttribute cluster;
    cluster.id = cudaLaunchAttributeClusterDimension;
    cluster.val.clusterDim.x = shape.cluster.x;
    cluster.val.clusterDim.y = shape.cluster.y;
    cluster.val.clusterDim.z = shape.cluster.z;
    cudaLaunchConfig_t config{};
    config.gridDim = shape.grid;
    config.blockDim = shape.block;
    config.dynamicSmemBytes = shape.shared_bytes;
    config.stream = reinterpret_cast<cudaStream_t>(stream);
    config.attrs = &cluster;
    config.numAttrs = shape.cluster.x * shape.cluster.y * shape.cluster.z > 1 ? 1 : 0;
    void *pointers[] = {static_cast<void *>(&arguments)..., nullptr};
    nvtxRangePushA(name); // Next to nothing unless a profiler is attached, whose timeline then names the launch.
    error = cudaLaunchKernelExC(&config, reinterpret_cast<const void *>(kernel), pointers);
    nvtxRangePop();
  }
  if (error == cudaSuccess)
    return AIOS_STATUS_OK;
  cudaGetLastError();
  return fail(error == cudaErrorMemoryAllocation ? AIOS_STATUS_OUT_OF_MEMORY : AIOS_STATUS_EXECUTION_FAILED,
              "%s<grid (%u,%u,%u), block (%u,%u,%u), %zu bytes of shared memory>: %s", name, shape.grid.x, shape.grid.y,
              shape.grid.z, shape.block.x, shape.block.y, shape.block.z, shape.shared_bytes, cudaGetErrorString(error));
#else
  return sim::enqueue_launch(stream, sim::Launch{.name = name,
                                                 .grid = shape.grid,
                                                 .block = shape.block,
                                                 .cluster = shape.cluster,
                                                 .shared_bytes = shape.shared_bytes,
                                                 .body = [=] { kernel(arguments...); }});
#endif
}

template <class... P>
aios_status launch(aios_stream stream, const char *name, Dim3 grid, Dim3 block, size_t shared_bytes,
                   void (*kernel)(P...), std::type_identity_t<P>... arguments) {
  return launch(stream, name, Shape{grid, block, shared_bytes}, kernel, arguments...);
}

} // namespace aios::cuda

// The values of a graph's nodes, and other ones for its instances.
#include "api.h"

namespace aios::sim::driver {
namespace {

/// Runs `body(work)` with the work of a node when it is of the kind that is asked for.
template <class Kind, class Body> CUresult with_work(CUgraphNode handle, Body body) {
  return with_driver([&](Driver &driver, Lock &) -> CUresult {
    Node *node = find(driver.nodes, handle);
    Kind *work = node == nullptr ? nullptr : std::get_if<Kind>(&node->work);
    return work == nullptr ? CUDA_ERROR_INVALID_VALUE : body(driver, *work);
  });
}

/// Gives a node of an instance other values.
CUresult exchange(CUgraphExec exec, CUgraphNode node, Work work) {
  return with_driver([&](Driver &driver, Lock &) { return replace(driver, exec, node, std::move(work)); });
}

std::uintptr_t address(CUmemorytype type, CUdeviceptr device, const void *host) {
  return type == CU_MEMORYTYPE_HOST ? reinterpret_cast<std::uintptr_t>(host) : device;
}

} // namespace
} // namespace aios::sim::driver

using namespace aios::sim::driver;

CUresult cuGraphKernelNodeGetParams_v2(CUgraphNode handle, CUDA_KERNEL_NODE_PARAMS *parameters) {
  return with_work<KernelWork>(handle, [&](Driver &, KernelWork &work) {
    *parameters = {};
    parameters->func = reinterpret_cast<CUfunction>(work.function);
    parameters->gridDimX = work.grid.x;
    parameters->gridDimY = work.grid.y;
    parameters->gridDimZ = work.grid.z;
    parameters->blockDimX = work.block.x;
    parameters->blockDimY = work.block.y;
    parameters->blockDimZ = work.block.z;
    parameters->sharedMemBytes = static_cast<unsigned>(work.shared_bytes);
    // Whoever gets them only reads; the type is the driver's.
    parameters->kernelParams = const_cast<void **>(work.arguments->pointers.data());
    return CUDA_SUCCESS;
  });
}

CUresult cuGraphKernelNodeSetParams_v2(CUgraphNode handle, const CUDA_KERNEL_NODE_PARAMS *parameters) {
  return with_work<KernelWork>(handle, [&](Driver &driver, KernelWork &work) {
    KernelWork read = work;
    CUresult error = read_kernel(driver, *parameters, read);
    if (error == CUDA_SUCCESS) {
      work = std::move(read);
    }
    return error;
  });
}

CUresult cuGraphExecKernelNodeSetParams_v2(CUgraphExec exec, CUgraphNode node,
                                           const CUDA_KERNEL_NODE_PARAMS *parameters) {
  return with_work<KernelWork>(node, [&](Driver &driver, KernelWork &work) {
    KernelWork read = work; // clusters and the like stay as they were captured
    CUresult error = read_kernel(driver, *parameters, read);
    return error != CUDA_SUCCESS ? error : replace(driver, exec, node, std::move(read));
  });
}

CUresult cuGraphMemcpyNodeGetParams(CUgraphNode handle, CUDA_MEMCPY3D *parameters) {
  return with_work<CopyWork>(handle, [&](Driver &, CopyWork &work) {
    *parameters = {};
    parameters->srcMemoryType = parameters->dstMemoryType = CU_MEMORYTYPE_UNIFIED;
    parameters->srcDevice = work.from;
    parameters->dstDevice = work.to;
    parameters->WidthInBytes = work.bytes;
    parameters->Height = parameters->Depth = 1;
    return CUDA_SUCCESS;
  });
}

CUresult cuGraphExecMemcpyNodeSetParams(CUgraphExec exec, CUgraphNode node, const CUDA_MEMCPY3D *parameters,
                                        CUcontext) {
  if (parameters->Height != 1 || parameters->Depth != 1) {
    return CUDA_ERROR_NOT_SUPPORTED;
  }
  return exchange(exec, node,
                  CopyWork{address(parameters->dstMemoryType, parameters->dstDevice, parameters->dstHost),
                           address(parameters->srcMemoryType, parameters->srcDevice, parameters->srcHost),
                           parameters->WidthInBytes, nullptr});
}

CUresult cuGraphMemsetNodeGetParams(CUgraphNode handle, CUDA_MEMSET_NODE_PARAMS *parameters) {
  return with_work<FillWork>(handle, [&](Driver &, FillWork &work) {
    *parameters = {};
    parameters->dst = work.to;
    parameters->value = work.value;
    parameters->elementSize = static_cast<unsigned>(work.element_bytes);
    parameters->width = work.width;
    parameters->height = work.height;
    parameters->pitch = work.pitch;
    return CUDA_SUCCESS;
  });
}

CUresult cuGraphExecMemsetNodeSetParams(CUgraphExec exec, CUgraphNode node, const CUDA_MEMSET_NODE_PARAMS *parameters,
                                        CUcontext) {
  return exchange(exec, node,
                  FillWork{parameters->dst, parameters->value, parameters->elementSize, parameters->width,
                           parameters->height, parameters->pitch});
}

CUresult cuGraphHostNodeGetParams(CUgraphNode handle, CUDA_HOST_NODE_PARAMS *parameters) {
  return with_work<HostWork>(handle, [&](Driver &, HostWork &work) {
    *parameters = {};
    parameters->fn = work.function;
    parameters->userData = work.user;
    return CUDA_SUCCESS;
  });
}

CUresult cuGraphExecHostNodeSetParams(CUgraphExec exec, CUgraphNode node, const CUDA_HOST_NODE_PARAMS *parameters) {
  return exchange(exec, node, HostWork{parameters->fn, nullptr, parameters->userData, nullptr});
}

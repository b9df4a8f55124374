// Launches: of user kernels by the driver's own call, and of the kernels of this library.
#include <cstdio>
#include <cstring>

#include "../../common/status.h"
#include "../executor/enqueue.h"
#include "api.h"
#include "cudasim.h"

namespace aios::sim::driver {
namespace {

std::string describe(const Launch &launch) {
  char text[160];
  std::snprintf(text, sizeof text, "<grid (%u,%u,%u), block (%u,%u,%u), %zu bytes of shared memory>", launch.grid.x,
                launch.grid.y, launch.grid.z, launch.block.x, launch.block.y, launch.block.z, launch.shared_bytes);
  return std::string(launch.name) + text;
}

/// What the hardware refuses before a launch begins.
CUresult check_extents(const KernelWork &kernel) {
  const Dim3 &grid = kernel.grid, &block = kernel.block, &cluster = kernel.cluster;
  bool good = grid.volume() > 0 && block.volume() > 0 && grid.y <= 65535 && grid.z <= 65535 && block.z <= 64 &&
              block.volume() <= kMaxBlockThreads && grid.x <= 2147483647u && cluster.volume() > 0 &&
              cluster.volume() <= kMaxClusterBlocks && grid.x % cluster.x == 0 && grid.y % cluster.y == 0 &&
              grid.z % cluster.z == 0;
  return good ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

/// Enqueues a launch, or what the environment wants instead.
CUresult launch(Driver &driver, Stream &stream, KernelWork kernel) {
  if (CUresult error = check_extents(kernel); error != CUDA_SUCCESS) {
    return error;
  }
  const Faults &faults = driver.settings.faults;
  if (faults.arch != 0) {
    return CUDA_ERROR_NO_BINARY_FOR_GPU;
  }
  ++driver.launches;
  kernel.fault = driver.launches == faults.launch ? CUDA_ERROR_LAUNCH_FAILED
                 : driver.launches == faults.lost ? CUDA_ERROR_DEVICE_UNAVAILABLE
                                                  : CUDA_SUCCESS;
  return enqueue(driver, stream, std::move(kernel));
}

Function &kernel_of(Driver &driver, const char *name) {
  std::unique_ptr<Function> &function = driver.kernels[name];
  if (function == nullptr) {
    function = std::make_unique<Function>();
    function->name = name;
  }
  return *function;
}

aios_status status_of(CUresult error) {
  switch (error) {
  case CUDA_SUCCESS:
    return AIOS_STATUS_OK;
  case CUDA_ERROR_OUT_OF_MEMORY:
    return AIOS_STATUS_OUT_OF_MEMORY;
  case CUDA_ERROR_INVALID_VALUE:
  case CUDA_ERROR_INVALID_HANDLE:
  case CUDA_ERROR_INVALID_CONTEXT:
    return AIOS_STATUS_INVALID_ARGUMENT;
  case CUDA_ERROR_NO_BINARY_FOR_GPU:
    return AIOS_STATUS_UNIMPLEMENTED;
  default:
    return AIOS_STATUS_EXECUTION_FAILED;
  }
}

CUresult launch_kernel(CUfunction function, Dim3 grid, Dim3 block, Dim3 cluster, unsigned shared, bool cooperative,
                       CUstream handle, void **parameters) {
  return with_stream(handle, [&](Driver &driver, Lock &, Stream &stream) -> CUresult {
    KernelWork work;
    work.cluster = cluster;
    work.cooperative = cooperative;
    CUDA_KERNEL_NODE_PARAMS read = {};
    read.func = function;
    read.gridDimX = grid.x;
    read.gridDimY = grid.y;
    read.gridDimZ = grid.z;
    read.blockDimX = block.x;
    read.blockDimY = block.y;
    read.blockDimZ = block.z;
    read.sharedMemBytes = shared;
    read.kernelParams = parameters;
    CUresult error = read_kernel(driver, read, work);
    return error != CUDA_SUCCESS ? error : launch(driver, stream, std::move(work));
  });
}

} // namespace

CUresult read_kernel(Driver &, const CUDA_KERNEL_NODE_PARAMS &parameters, KernelWork &work) {
  Function *function = reinterpret_cast<Function *>(parameters.func);
  if (function == nullptr || (parameters.kernelParams == nullptr && !function->parameters.empty())) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (static_cast<int>(parameters.sharedMemBytes) > function->max_dynamic_shared) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  auto arguments = std::make_shared<Arguments>();
  if (function->entry == nullptr) {
    // A kernel of this library: its one parameter is what runs it, see `enqueue_launch`.
    arguments->closure = *static_cast<std::function<void()> *>(parameters.kernelParams[0]);
    arguments->pointers = {&arguments->closure};
  } else {
    for (size_t i = 0; i < function->parameters.size(); ++i) {
      const std::byte *value = static_cast<const std::byte *>(parameters.kernelParams[i]);
      arguments->values.emplace_back(value, value + function->parameters[i]);
    }
    for (std::vector<std::byte> &value : arguments->values) {
      arguments->pointers.push_back(value.data());
    }
  }
  work.function = function;
  work.grid = Dim3(parameters.gridDimX, parameters.gridDimY, parameters.gridDimZ);
  work.block = Dim3(parameters.blockDimX, parameters.blockDimY, parameters.blockDimZ);
  work.shared_bytes = parameters.sharedMemBytes;
  work.arguments = std::move(arguments);
  return CUDA_SUCCESS;
}

} // namespace aios::sim::driver

using namespace aios::sim::driver;

namespace aios::sim {

aios_status enqueue_launch(aios_stream handle, Launch launched) {
  CUresult error = with_stream(reinterpret_cast<CUstream>(handle), [&](Driver &driver, Lock &, Stream &stream) {
    KernelWork work;
    Function &function = kernel_of(driver, launched.name);
    auto arguments = std::make_shared<Arguments>();
    arguments->closure = launched.body;
    arguments->pointers = {&arguments->closure};
    function.max_dynamic_shared = static_cast<int>(kMaxSharedBytes);
    work.function = &function;
    work.grid = launched.grid;
    work.block = launched.block;
    work.cluster = launched.cluster;
    work.shared_bytes = launched.shared_bytes;
    work.cooperative = launched.cooperative;
    work.arguments = std::move(arguments);
    return driver::launch(driver, stream, std::move(work));
  });
  if (error == CUDA_SUCCESS) {
    return AIOS_STATUS_OK;
  }
  const char *name = "CUDA error", *meaning = "";
  cuGetErrorName(error, &name);
  cuGetErrorString(error, &meaning);
  const char *report = aios_cudasim_last_report();
  bool has_report = status_of(error) == AIOS_STATUS_EXECUTION_FAILED && *report != '\0';
  return fail(status_of(error), "%s: %s: %s", describe(launched).c_str(), name, has_report ? report : meaning);
}

} // namespace aios::sim

CUresult cuLaunchKernel(CUfunction function, unsigned int gx, unsigned int gy, unsigned int gz, unsigned int bx,
                        unsigned int by, unsigned int bz, unsigned int shared, CUstream stream, void **parameters,
                        void **extra) {
  return extra != nullptr ? CUDA_ERROR_NOT_SUPPORTED
                          : launch_kernel(function, aios::sim::Dim3(gx, gy, gz), aios::sim::Dim3(bx, by, bz), {},
                                          shared, false, stream, parameters);
}

CUresult cuLaunchCooperativeKernel(CUfunction function, unsigned int gx, unsigned int gy, unsigned int gz,
                                   unsigned int bx, unsigned int by, unsigned int bz, unsigned int shared,
                                   CUstream stream, void **parameters) {
  return launch_kernel(function, aios::sim::Dim3(gx, gy, gz), aios::sim::Dim3(bx, by, bz), {}, shared, true, stream,
                       parameters);
}

CUresult cuLaunchKernelEx(const CUlaunchConfig *config, CUfunction function, void **parameters, void **extra) {
  aios::sim::Dim3 cluster;
  bool cooperative = false;
  for (unsigned i = 0; i < config->numAttrs; ++i) {
    const CUlaunchAttribute &attribute = config->attrs[i];
    if (attribute.id == CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION) {
      cluster =
          aios::sim::Dim3(attribute.value.clusterDim.x, attribute.value.clusterDim.y, attribute.value.clusterDim.z);
    } else if (attribute.id == CU_LAUNCH_ATTRIBUTE_COOPERATIVE) {
      cooperative = attribute.value.cooperative != 0;
    }
  }
  return extra != nullptr
             ? CUDA_ERROR_NOT_SUPPORTED
             : launch_kernel(function, aios::sim::Dim3(config->gridDimX, config->gridDimY, config->gridDimZ),
                             aios::sim::Dim3(config->blockDimX, config->blockDimY, config->blockDimZ), cluster,
                             config->sharedMemBytes, cooperative, config->hStream, parameters);
}

const char *aios_cudasim_last_report() {
  static thread_local std::string text;
  Driver &driver = Driver::get();
  Lock lock(driver.mutex);
  text = driver.problem;
  for (const auto &device : driver.devices) {
    if (!device->context.report.empty()) {
      text = device->context.report;
    }
  }
  return text.c_str();
}

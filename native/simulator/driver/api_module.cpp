// Modules of user kernels, and attributes of functions.
#include <cstring>
#include <dlfcn.h>
#include <string>
#include <sys/mman.h>
#include <unistd.h>

#include "../executor/device.h"
#include "api.h"
#include "image.h"

namespace aios::sim::driver {
namespace {

constexpr int kThreads = 2048, kBlocks = 32, kShared = 233472, kReserved = 1024, kProcessors = 132;

/// Loads a shared object from memory; null when it is none.
void *load_library(const void *bytes, size_t count) {
  int file = memfd_create("aios_cudasim_image", MFD_CLOEXEC);
  if (file < 0) {
    return nullptr;
  }
  const char *rest = static_cast<const char *>(bytes);
  while (count > 0) {
    ssize_t written = write(file, rest, count);
    if (written <= 0) {
      break;
    }
    rest += written;
    count -= static_cast<size_t>(written);
  }
  std::string path = "/proc/self/fd/" + std::to_string(file);
  void *library = count == 0 ? dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL) : nullptr;
  close(file);
  return library;
}

/// How many blocks of a kernel fit one multiprocessor.
int active_blocks(int threads, size_t shared) {
  if (threads <= 0 || threads > static_cast<int>(kMaxBlockThreads) || shared > kMaxSharedBytes) {
    return 0;
  }
  int warps = (threads + static_cast<int>(kWarpSize) - 1) / static_cast<int>(kWarpSize);
  int by_threads = kThreads / (warps * static_cast<int>(kWarpSize));
  int by_shared = kShared / (static_cast<int>(shared) + kReserved);
  return std::min({kBlocks, by_threads, by_shared});
}

constexpr ImageHooks kHooks = {
    []() -> const Dim3 & { return threadIdx; },
    []() -> const Dim3 & { return blockIdx; },
    []() -> const Dim3 & { return blockDim; },
    []() -> const Dim3 & { return gridDim; },
    &sync_block,
    &sync_warp,
    &vote,
    &shuffle_bits,
    &trap,
};

Function *function_of(CUfunction handle) {
  return reinterpret_cast<Function *>(handle);
}

} // namespace

CUresult load_module(Driver &driver, CUmodule *created, const void *image) {
  ImageHeader header;
  std::memcpy(&header, image, sizeof header);
  if (std::memcmp(header.magic, kImageMagic, sizeof kImageMagic) != 0) {
    return CUDA_ERROR_INVALID_IMAGE;
  }
  void *library = load_library(static_cast<const std::byte *>(image) + sizeof header, header.bytes);
  ImageFunction give = library == nullptr ? nullptr : reinterpret_cast<ImageFunction>(dlsym(library, kImageSymbol));
  if (give == nullptr) {
    return CUDA_ERROR_INVALID_IMAGE;
  }
  const ImageKernel *kernel = give(&kHooks);
  Module *module = new Module;
  module->library = library;
  for (; kernel->name != nullptr; ++kernel) {
    auto function = std::make_unique<Function>();
    function->name = kernel->name;
    function->module = module;
    function->entry = kernel->entry;
    function->parameters.assign(kernel->sizes, kernel->sizes + kernel->count);
    module->functions[kernel->name] = std::move(function);
  }
  driver.modules.insert(module);
  *created = reinterpret_cast<CUmodule>(module);
  return CUDA_SUCCESS;
}

} // namespace aios::sim::driver

using namespace aios::sim::driver;
using aios::sim::kMaxBlockThreads;
using aios::sim::kMaxSharedBytes;
using aios::sim::kWarpSize;

CUresult cuModuleLoadData(CUmodule *module, const void *image) {
  return with_context([&](Driver &driver, Lock &, Context &) { return load_module(driver, module, image); });
}

CUresult cuModuleLoadDataEx(CUmodule *module, const void *image, unsigned int, CUjit_option *, void **) {
  return cuModuleLoadData(module, image);
}

CUresult cuModuleUnload(CUmodule handle) {
  return with_context([&](Driver &driver, Lock &, Context &) -> CUresult {
    Module *module = find(driver.modules, handle);
    if (module == nullptr) {
      return CUDA_ERROR_INVALID_HANDLE;
    }
    driver.modules.erase(module);
    dlclose(module->library);
    delete module;
    return CUDA_SUCCESS;
  });
}

CUresult cuModuleGetFunction(CUfunction *function, CUmodule handle, const char *name) {
  return with_context([&](Driver &driver, Lock &, Context &) -> CUresult {
    Module *module = find(driver.modules, handle);
    if (module == nullptr) {
      return CUDA_ERROR_INVALID_HANDLE;
    }
    auto found = module->functions.find(name);
    *function = found == module->functions.end() ? nullptr : reinterpret_cast<CUfunction>(found->second.get());
    return *function == nullptr ? CUDA_ERROR_NOT_FOUND : CUDA_SUCCESS;
  });
}

CUresult cuModuleGetGlobal_v2(CUdeviceptr *, size_t *, CUmodule, const char *) {
  return CUDA_ERROR_NOT_FOUND; // variables of a simulated module have no names
}

CUresult cuFuncGetName(const char **name, CUfunction handle) {
  *name = function_of(handle)->name.c_str();
  return CUDA_SUCCESS;
}

CUresult cuFuncGetParamInfo(CUfunction handle, size_t index, size_t *offset, size_t *bytes) {
  const std::vector<std::size_t> &sizes = function_of(handle)->parameters;
  if (index >= sizes.size()) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *offset = 0;
  for (size_t i = 0; i <= index; ++i) {
    // Parameters are aligned to their size, up to 16 bytes, one behind the other.
    size_t alignment = std::min<size_t>(sizes[i] & (~sizes[i] + 1), 16);
    *offset = (*offset + alignment - 1) / alignment * alignment + (i < index ? sizes[i] : 0);
  }
  *bytes = sizes[index];
  return CUDA_SUCCESS;
}

CUresult cuFuncGetAttribute(int *value, CUfunction_attribute attribute, CUfunction handle) {
  return with_driver([&](Driver &, Lock &) {
    const Function &function = *function_of(handle);
    switch (attribute) {
    case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
      *value = static_cast<int>(kMaxBlockThreads);
      break;
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
      *value = function.max_dynamic_shared;
      break;
    case CU_FUNC_ATTRIBUTE_PTX_VERSION:
    case CU_FUNC_ATTRIBUTE_BINARY_VERSION:
      *value = 90;
      break;
    default:
      *value = 0;
    }
    return CUDA_SUCCESS;
  });
}

CUresult cuFuncSetAttribute(CUfunction handle, CUfunction_attribute attribute, int value) {
  return with_driver([&](Driver &, Lock &) -> CUresult {
    if (attribute != CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES) {
      return CUDA_SUCCESS; // hints
    }
    if (value < 0 || value > static_cast<int>(kMaxSharedBytes)) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    function_of(handle)->max_dynamic_shared = value;
    return CUDA_SUCCESS;
  });
}

CUresult cuFuncSetCacheConfig(CUfunction, CUfunc_cache) {
  return CUDA_SUCCESS;
}

CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, CUfunction, int threads, size_t shared) {
  *blocks = active_blocks(threads, shared);
  return CUDA_SUCCESS;
}

CUresult cuOccupancyMaxPotentialBlockSize(int *grid, int *block, CUfunction, CUoccupancyB2DSize shared_of,
                                          size_t shared, int limit) {
  int best = 0;
  for (int threads = static_cast<int>(kMaxBlockThreads); threads > 0; threads -= static_cast<int>(kWarpSize)) {
    size_t bytes = shared_of != nullptr ? shared_of(threads) : shared;
    int resident = (limit == 0 || threads <= limit) ? threads * active_blocks(threads, bytes) : 0;
    if (resident > best) {
      best = resident;
      *block = threads;
      *grid = kProcessors * active_blocks(threads, bytes);
    }
  }
  return best == 0 ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

CUresult cuOccupancyMaxActiveClusters(int *clusters, CUfunction, const CUlaunchConfig *config) {
  unsigned blocks = 1;
  for (unsigned i = 0; i < config->numAttrs; ++i) {
    if (config->attrs[i].id == CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION) {
      const auto &extent = config->attrs[i].value.clusterDim;
      blocks = extent.x * extent.y * extent.z;
    }
  }
  int threads = static_cast<int>(config->blockDimX * config->blockDimY * config->blockDimZ);
  *clusters = kProcessors * active_blocks(threads, config->sharedMemBytes) / static_cast<int>(blocks);
  return CUDA_SUCCESS;
}

CUresult cuModuleGetLoadingMode(CUmoduleLoadingMode *mode) {
  *mode = CU_MODULE_EAGER_LOADING;
  return CUDA_SUCCESS;
}

// A library is a module that needs no context, and its kernels are its functions.

CUresult cuLibraryLoadData(CUlibrary *library, const void *image, CUjit_option *, void **, unsigned int,
                           CUlibraryOption *, void **, unsigned int) {
  return with_driver(
      [&](Driver &driver, Lock &) { return load_module(driver, reinterpret_cast<CUmodule *>(library), image); });
}

CUresult cuLibraryUnload(CUlibrary library) {
  return cuModuleUnload(reinterpret_cast<CUmodule>(library));
}

CUresult cuLibraryGetKernel(CUkernel *kernel, CUlibrary library, const char *name) {
  return cuModuleGetFunction(reinterpret_cast<CUfunction *>(kernel), reinterpret_cast<CUmodule>(library), name);
}

CUresult cuKernelGetFunction(CUfunction *function, CUkernel kernel) {
  *function = reinterpret_cast<CUfunction>(kernel);
  return CUDA_SUCCESS;
}

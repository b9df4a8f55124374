// Initialisation, devices, contexts, and looking up functions.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <map>

#include "api.h"

namespace aios::sim::driver {
namespace {

constexpr int kVersion = 12040;
constexpr int kCapability = 90;

/// What a device of compute capability 9.0 has.
const std::map<int, int> &attributes() {
  static const std::map<int, int> &values = *new std::map<int, int>{
      {CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK, static_cast<int>(kMaxBlockThreads)},
      {CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X, 1024},
      {CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y, 1024},
      {CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z, 64},
      {CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X, 2147483647},
      {CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y, 65535},
      {CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z, 65535},
      {CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK, 49152},
      {CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, static_cast<int>(kMaxSharedBytes)},
      {CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR, 233472},
      {CU_DEVICE_ATTRIBUTE_RESERVED_SHARED_MEMORY_PER_BLOCK, 1024},
      {CU_DEVICE_ATTRIBUTE_TOTAL_CONSTANT_MEMORY, 65536},
      {CU_DEVICE_ATTRIBUTE_WARP_SIZE, static_cast<int>(kWarpSize)},
      {CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK, 65536},
      {CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR, 65536},
      {CU_DEVICE_ATTRIBUTE_CLOCK_RATE, 1000000},
      {CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE, 1000000},
      {CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH, 5120},
      {CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE, 50 << 20},
      {CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, 132},
      {CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR, 2048},
      {CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR, 32},
      {CU_DEVICE_ATTRIBUTE_ASYNC_ENGINE_COUNT, 3},
      {CU_DEVICE_ATTRIBUTE_CONCURRENT_KERNELS, 1},
      {CU_DEVICE_ATTRIBUTE_CAN_MAP_HOST_MEMORY, 1},
      {CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING, 1},
      {CU_DEVICE_ATTRIBUTE_STREAM_PRIORITIES_SUPPORTED, 1},
      {CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH, 1},
      {CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED, 1},
      {CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED, 1},
      {CU_DEVICE_ATTRIBUTE_HOST_REGISTER_SUPPORTED, 1},
      {CU_DEVICE_ATTRIBUTE_CLUSTER_LAUNCH, 1},
  };
  return values;
}

CUresult initialize(Driver &driver) {
  if (!read_settings(driver.settings, driver.problem)) {
    return CUDA_ERROR_INVALID_VALUE; // the text is aios_cudasim_last_report's
  }
  if (std::uint64_t error = driver.settings.faults.init) {
    driver.problem = "AIOS_CUDASIM_FAULTS asked for it";
    return static_cast<CUresult>(error);
  }
  driver.random = Random(driver.settings.seed);
  for (int i = 0; i < driver.settings.devices; ++i) {
    driver.devices.push_back(std::make_unique<Device>(i, driver.settings.memory_bytes, driver.random.next()));
    driver.pools.insert(&driver.devices.back()->pool);
  }
  start_devices(driver);
  if (driver.settings.counters) {
    std::atexit([] { std::fputs(cost_table().c_str(), stderr); });
  }
  return CUDA_SUCCESS;
}

/// Runs `body(device)` with the device of a number.
template <class Body> CUresult with_device(CUdevice number, Body body) {
  return with_driver([&](Driver &driver, Lock &) -> CUresult {
    Device *device = find_device(driver, number);
    return device == nullptr ? CUDA_ERROR_INVALID_DEVICE : body(*device);
  });
}

CUresult await_all(Driver &driver, Lock &lock, Context &context) {
  std::vector<MarkerPtr> ends;
  for (const auto &stream : context.device->streams) {
    ends.push_back(reached(*stream));
  }
  for (const MarkerPtr &end : ends) {
    await(driver, lock, context, end);
  }
  return context.error;
}

/// Ends the primary context: its error is forgotten and its streams are gone.
void reset(Driver &driver, Lock &lock, Device &device) {
  Context &context = device.context;
  await_all(driver, lock, context);
  for (const auto &stream : device.streams) {
    stream->destroyed = true;
    driver.streams.erase(stream.get());
  }
  context.error = CUDA_SUCCESS;
  context.report.clear();
  context.legacy = nullptr;
  context.per_thread.clear();
  context.peers.clear();
  driver.work.notify_all();
}

} // namespace

Driver &Driver::get() {
  static Driver &driver = *new Driver; // the threads of the devices outlive everything
  return driver;
}

Context *&current_context() {
  static thread_local Context *context = nullptr;
  return context;
}

} // namespace aios::sim::driver

using namespace aios::sim::driver;

CUresult cuInit(unsigned int flags) {
  Driver &driver = Driver::get();
  Lock lock(driver.mutex);
  if (flags != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (driver.status == CUDA_ERROR_NOT_INITIALIZED) {
    driver.status = initialize(driver);
  }
  return driver.status;
}

CUresult cuDriverGetVersion(int *version) {
  // It is asked before cuInit, so the environment is read here, too.
  Settings settings;
  std::string problem;
  read_settings(settings, problem);
  *version = settings.faults.driver != 0 ? static_cast<int>(settings.faults.driver) : kVersion;
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetCount(int *count) {
  return with_driver([&](Driver &driver, Lock &) {
    *count = static_cast<int>(driver.devices.size());
    return CUDA_SUCCESS;
  });
}

CUresult cuDeviceGet(CUdevice *device, int ordinal) {
  return with_device(ordinal, [&](Device &found) {
    *device = found.ordinal;
    return CUDA_SUCCESS;
  });
}

CUresult cuDeviceGetName(char *name, int length, CUdevice device) {
  return with_device(device, [&](Device &) {
    std::snprintf(name, static_cast<size_t>(length), "AiOs CUDA simulator");
    return CUDA_SUCCESS;
  });
}

CUresult cuDeviceGetUuid(CUuuid *uuid, CUdevice device) {
  return with_device(device, [&](Device &found) {
    std::memset(uuid, 0, sizeof *uuid);
    std::snprintf(uuid->bytes, sizeof uuid->bytes, "aios-cudasim-%d", found.ordinal);
    return CUDA_SUCCESS;
  });
}

CUresult cuDeviceGetPCIBusId(char *text, int length, CUdevice device) {
  return with_device(device, [&](Device &found) {
    std::snprintf(text, static_cast<size_t>(length), "0000:%02x:00.0", found.ordinal + 1);
    return CUDA_SUCCESS;
  });
}

CUresult cuDeviceGetByPCIBusId(CUdevice *device, const char *text) {
  return with_driver([&](Driver &driver, Lock &) -> CUresult {
    unsigned bus = 0;
    if (std::sscanf(text, "0000:%2x:00.0", &bus) != 1 || bus == 0 || bus > driver.devices.size()) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    *device = static_cast<CUdevice>(bus - 1);
    return CUDA_SUCCESS;
  });
}

CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice device) {
  return with_device(device, [&](Device &found) {
    *bytes = found.memory.capacity();
    return CUDA_SUCCESS;
  });
}

CUresult cuDeviceGetAttribute(int *value, CUdevice_attribute attribute, CUdevice device) {
  return with_device(device, [&](Device &) {
    std::uint64_t arch = Driver::get().settings.faults.arch;
    int capability = arch != 0 ? static_cast<int>(arch) : kCapability;
    if (attribute == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR) {
      *value = capability / 10;
    } else if (attribute == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR) {
      *value = capability % 10;
    } else {
      auto found = attributes().find(attribute);
      *value = found == attributes().end() ? 0 : found->second;
    }
    return CUDA_SUCCESS;
  });
}

CUresult cuDeviceCanAccessPeer(int *can, CUdevice device, CUdevice peer) {
  return with_device(device, [&](Device &) {
    *can = device != peer && peer >= 0 && peer < static_cast<int>(Driver::get().devices.size());
    return CUDA_SUCCESS;
  });
}

CUresult cuDeviceGetP2PAttribute(int *value, CUdevice_P2PAttribute attribute, CUdevice device, CUdevice peer) {
  CUresult error = cuDeviceCanAccessPeer(value, device, peer);
  if (attribute == CU_DEVICE_P2P_ATTRIBUTE_PERFORMANCE_RANK) {
    *value = 0;
  }
  return error;
}

CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device) {
  return with_device(device, [&](Device &found) {
    ++found.context.references;
    *context = reinterpret_cast<CUcontext>(&found.context);
    return CUDA_SUCCESS;
  });
}

CUresult cuDevicePrimaryCtxReset_v2(CUdevice number) {
  return with_driver([&](Driver &driver, Lock &lock) -> CUresult {
    Device *device = find_device(driver, number);
    if (device == nullptr) {
      return CUDA_ERROR_INVALID_DEVICE;
    }
    reset(driver, lock, *device);
    return CUDA_SUCCESS;
  });
}

CUresult cuDevicePrimaryCtxRelease_v2(CUdevice number) {
  return with_driver([&](Driver &driver, Lock &lock) -> CUresult {
    Device *device = find_device(driver, number);
    if (device == nullptr || device->context.references == 0) {
      return device == nullptr ? CUDA_ERROR_INVALID_DEVICE : CUDA_ERROR_INVALID_CONTEXT;
    }
    if (--device->context.references == 0) {
      reset(driver, lock, *device);
    }
    return CUDA_SUCCESS;
  });
}

CUresult cuDevicePrimaryCtxSetFlags_v2(CUdevice device, unsigned int flags) {
  return with_device(device, [&](Device &found) {
    found.context.flags = flags;
    return CUDA_SUCCESS;
  });
}

CUresult cuDevicePrimaryCtxGetState(CUdevice device, unsigned int *flags, int *active) {
  return with_device(device, [&](Device &found) {
    *flags = found.context.flags;
    *active = found.context.references > 0;
    return CUDA_SUCCESS;
  });
}

CUresult cuCtxSetCurrent(CUcontext context) {
  return with_driver([&](Driver &, Lock &) {
    current_context() = reinterpret_cast<Context *>(context);
    return CUDA_SUCCESS;
  });
}

CUresult cuCtxGetCurrent(CUcontext *context) {
  return with_driver([&](Driver &, Lock &) {
    *context = reinterpret_cast<CUcontext>(current_context());
    return CUDA_SUCCESS;
  });
}

CUresult cuCtxGetDevice(CUdevice *device) {
  return with_driver([&](Driver &, Lock &) -> CUresult {
    if (current_context() == nullptr) {
      return CUDA_ERROR_INVALID_CONTEXT;
    }
    *device = current_context()->device->ordinal;
    return CUDA_SUCCESS;
  });
}

CUresult cuCtxGetStreamPriorityRange(int *least, int *greatest) {
  return with_context([&](Driver &, Lock &, Context &) {
    *least = 0;
    *greatest = -5;
    return CUDA_SUCCESS;
  });
}

CUresult cuCtxSynchronize() {
  return with_context([&](Driver &driver, Lock &lock, Context &context) -> CUresult {
    if (CUresult error = leave_captures_alone(driver); error != CUDA_SUCCESS) {
      return error;
    }
    return await_all(driver, lock, context);
  });
}

CUresult cuCtxSetLimit(CUlimit limit, size_t value) {
  return with_context([&](Driver &, Lock &, Context &context) {
    context.limits[limit] = value;
    return CUDA_SUCCESS;
  });
}

CUresult cuCtxGetLimit(size_t *value, CUlimit limit) {
  return with_context([&](Driver &, Lock &, Context &context) {
    *value = context.limits[limit];
    return CUDA_SUCCESS;
  });
}

CUresult cuProfilerStart() {
  return CUDA_SUCCESS;
}

CUresult cuProfilerStop() {
  return CUDA_SUCCESS;
}

CUresult cuCtxEnablePeerAccess(CUcontext peer, unsigned int flags) {
  return with_context([&](Driver &, Lock &, Context &context) -> CUresult {
    Context *other = reinterpret_cast<Context *>(peer);
    if (flags != 0 || other == nullptr || other == &context) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    return context.peers.insert(other).second ? CUDA_SUCCESS : CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED;
  });
}

CUresult cuCtxDisablePeerAccess(CUcontext peer) {
  return with_context([&](Driver &, Lock &, Context &context) {
    return context.peers.erase(reinterpret_cast<Context *>(peer)) != 0 ? CUDA_SUCCESS
                                                                       : CUDA_ERROR_PEER_ACCESS_NOT_ENABLED;
  });
}

CUresult cuGetProcAddress_v2(const char *symbol, void **function, int version, cuuint64_t,
                             CUdriverProcAddressQueryResult *status) {
  Dl_info self;
  dladdr(reinterpret_cast<void *>(&cuInit), &self);
  void *library = dlopen(self.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
  *function = nullptr;
  for (const char *suffix : {"_v2", "", "WithFlags"}) {
    if (*function == nullptr && library != nullptr) {
      *function = dlsym(library, (std::string(symbol) + suffix).c_str());
    }
  }
  if (library != nullptr) {
    dlclose(library);
  }
  bool too_old = version > kVersion;
  if (status != nullptr) {
    *status = *function == nullptr ? CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND
              : too_old            ? CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT
                                   : CU_GET_PROC_ADDRESS_SUCCESS;
  }
  return *function == nullptr ? CUDA_ERROR_NOT_FOUND : CUDA_SUCCESS;
}

// Blocks of device memory, stream-ordered pools, memory of the host, and what is known of a pointer.
#include <cstring>

#include "api.h"

namespace aios::sim::driver {
namespace {

/// Takes memory for an allocation, unless that is the one that was chosen to fail.
bool take(Driver &driver, Device &device, size_t bytes) {
  ++driver.allocations;
  return driver.allocations != driver.settings.faults.oom && device.memory.take(bytes);
}

CUresult allocate(Driver &driver, Device &device, CUdeviceptr *pointer, size_t bytes) {
  if (bytes == 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (!take(driver, device, bytes)) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  *pointer = driver.addresses.allocate(bytes, Place::device, device.ordinal);
  if (*pointer == 0) {
    device.memory.give(bytes);
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  return CUDA_SUCCESS;
}

/// Freeing waits for the work of all devices, as the real driver does: it may use the memory.
void await_all_work(Driver &driver, Lock &lock, Context &context) {
  std::vector<MarkerPtr> ends;
  for (const auto &device : driver.devices) {
    for (const auto &stream : device->streams) {
      ends.push_back(reached(*stream));
    }
  }
  for (const MarkerPtr &end : ends) {
    await(driver, lock, context, end);
  }
}

/// The block of device memory that begins at an address; null when there is none.
Range *find_block(Driver &driver, CUdeviceptr pointer) {
  Range *range = driver.addresses.find(pointer);
  return range != nullptr && range->start == pointer && range->place == Place::device ? range : nullptr;
}

CUresult allocate_host(Driver &driver, Context &context, void **memory, size_t bytes) {
  if (bytes == 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (CUresult error = leave_captures_alone(driver); error != CUDA_SUCCESS) {
    return error;
  }
  *memory = reinterpret_cast<void *>(driver.addresses.allocate(bytes, Place::pinned, context.device->ordinal));
  return *memory == nullptr ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_SUCCESS;
}

CUresult allocate_from(Driver &driver, Pool &pool, CUdeviceptr *pointer, size_t bytes, Stream &stream) {
  if (stream.capture != nullptr) {
    return CUDA_ERROR_NOT_SUPPORTED;
  }
  CUresult error = allocate(driver, *pool.device, pointer, bytes);
  if (error == CUDA_SUCCESS) {
    driver.pooled[*pointer] = &pool;
    pool.used += bytes;
    pool.high = std::max(pool.high, pool.used);
  }
  return error;
}

CUresult attribute_of(const Range *range, CUpointer_attribute attribute, void *data, CUdeviceptr pointer) {
  if (range == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  switch (attribute) {
  case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
    *static_cast<unsigned *>(data) = range->on_host() ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_DEVICE;
    return CUDA_SUCCESS;
  case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
    *static_cast<int *>(data) = range->device;
    return CUDA_SUCCESS;
  case CU_POINTER_ATTRIBUTE_DEVICE_POINTER:
    *static_cast<CUdeviceptr *>(data) = pointer;
    return CUDA_SUCCESS;
  case CU_POINTER_ATTRIBUTE_HOST_POINTER:
    *static_cast<void **>(data) = range->on_host() ? reinterpret_cast<void *>(pointer) : nullptr;
    return range->on_host() ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
  case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR:
    *static_cast<CUdeviceptr *>(data) = range->start;
    return CUDA_SUCCESS;
  case CU_POINTER_ATTRIBUTE_RANGE_SIZE:
    *static_cast<size_t *>(data) = range->bytes;
    return CUDA_SUCCESS;
  case CU_POINTER_ATTRIBUTE_IS_MANAGED:
    *static_cast<unsigned *>(data) = 0;
    return CUDA_SUCCESS;
  default:
    return CUDA_ERROR_NOT_SUPPORTED;
  }
}

} // namespace
} // namespace aios::sim::driver

using namespace aios::sim::driver;

CUresult cuMemGetInfo_v2(size_t *free, size_t *total) {
  return with_context([&](Driver &, Lock &, Context &context) {
    *free = context.device->memory.free();
    *total = context.device->memory.capacity();
    return CUDA_SUCCESS;
  });
}

CUresult cuMemAlloc_v2(CUdeviceptr *pointer, size_t bytes) {
  return with_context([&](Driver &driver, Lock &, Context &context) -> CUresult {
    CUresult error = leave_captures_alone(driver);
    return error != CUDA_SUCCESS ? error : allocate(driver, *context.device, pointer, bytes);
  });
}

CUresult cuMemFree_v2(CUdeviceptr pointer) {
  return with_context([&](Driver &driver, Lock &lock, Context &context) -> CUresult {
    if (pointer == 0) {
      return CUDA_SUCCESS;
    }
    if (CUresult error = leave_captures_alone(driver); error != CUDA_SUCCESS) {
      return error;
    }
    Range *range = find_block(driver, pointer);
    if (range == nullptr) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    Device &device = *driver.devices[static_cast<size_t>(range->device)];
    await_all_work(driver, lock, context);
    if (auto pooled = driver.pooled.find(pointer); pooled != driver.pooled.end()) {
      pooled->second->used -= range->bytes;
      driver.pooled.erase(pooled);
    }
    device.memory.give(range->bytes);
    driver.addresses.free(pointer);
    return CUDA_SUCCESS;
  });
}

CUresult cuMemHostAlloc(void **memory, size_t bytes, unsigned int) {
  return with_context(
      [&](Driver &driver, Lock &, Context &context) { return allocate_host(driver, context, memory, bytes); });
}

CUresult cuMemAllocHost_v2(void **memory, size_t bytes) {
  return cuMemHostAlloc(memory, bytes, 0);
}

CUresult cuMemFreeHost(void *memory) {
  return with_driver([&](Driver &driver, Lock &lock) -> CUresult {
    await_all_work(driver, lock, driver.devices.front()->context);
    std::uintptr_t start = reinterpret_cast<std::uintptr_t>(memory);
    Range *range = driver.addresses.find(start);
    if (range == nullptr || range->start != start || range->place != Place::pinned) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    driver.addresses.free(start);
    return CUDA_SUCCESS;
  });
}

CUresult cuMemHostRegister_v2(void *memory, size_t bytes, unsigned int) {
  return with_context([&](Driver &driver, Lock &, Context &context) -> CUresult {
    std::uintptr_t start = reinterpret_cast<std::uintptr_t>(memory);
    if (bytes == 0) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    if (driver.addresses.find(start) != nullptr || driver.addresses.find(start + bytes - 1) != nullptr) {
      return CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED;
    }
    driver.addresses.add_registered(start, bytes, context.device->ordinal);
    return CUDA_SUCCESS;
  });
}

CUresult cuMemHostUnregister(void *memory) {
  return with_driver([&](Driver &driver, Lock &lock) -> CUresult {
    await_all_work(driver, lock, driver.devices.front()->context);
    std::uintptr_t start = reinterpret_cast<std::uintptr_t>(memory);
    Range *range = driver.addresses.find(start);
    if (range == nullptr || range->start != start || range->place != Place::registered) {
      return CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED;
    }
    driver.addresses.forget(start);
    return CUDA_SUCCESS;
  });
}

CUresult cuMemHostGetDevicePointer_v2(CUdeviceptr *pointer, void *memory, unsigned int) {
  return with_driver([&](Driver &driver, Lock &) -> CUresult {
    *pointer = reinterpret_cast<CUdeviceptr>(memory);
    Range *range = driver.addresses.find(*pointer);
    return range != nullptr && range->on_host() ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
  });
}

CUresult cuMemHostGetFlags(unsigned int *flags, void *memory) {
  return with_driver([&](Driver &driver, Lock &) -> CUresult {
    Range *range = driver.addresses.find(reinterpret_cast<std::uintptr_t>(memory));
    *flags = CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_DEVICEMAP;
    return range != nullptr && range->place == Place::pinned ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
  });
}

CUresult cuMemGetAddressRange_v2(CUdeviceptr *start, size_t *bytes, CUdeviceptr pointer) {
  return with_driver([&](Driver &driver, Lock &) -> CUresult {
    const Range *range = driver.addresses.find(pointer);
    if (range == nullptr) {
      return CUDA_ERROR_NOT_FOUND;
    }
    if (start != nullptr) {
      *start = range->start;
    }
    if (bytes != nullptr) {
      *bytes = range->bytes;
    }
    return CUDA_SUCCESS;
  });
}

CUresult cuMemAllocAsync(CUdeviceptr *pointer, size_t bytes, CUstream handle) {
  return with_stream(handle, [&](Driver &driver, Lock &, Stream &stream) {
    return allocate_from(driver, *stream.context->device->current_pool, pointer, bytes, stream);
  });
}

CUresult cuMemAllocFromPoolAsync(CUdeviceptr *pointer, size_t bytes, CUmemoryPool handle, CUstream stream_handle) {
  return with_stream(stream_handle, [&](Driver &driver, Lock &, Stream &stream) -> CUresult {
    Pool *pool = find(driver.pools, handle);
    return pool == nullptr ? CUDA_ERROR_INVALID_HANDLE : allocate_from(driver, *pool, pointer, bytes, stream);
  });
}

CUresult cuMemFreeAsync(CUdeviceptr pointer, CUstream handle) {
  return with_stream(handle, [&](Driver &driver, Lock &, Stream &stream) -> CUresult {
    auto pooled = driver.pooled.find(pointer);
    if (pooled == driver.pooled.end() || stream.capture != nullptr) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    pooled->second->used -= find_block(driver, pointer)->bytes;
    driver.pooled.erase(pooled);
    return enqueue(driver, stream, FreeWork{pointer});
  });
}

CUresult cuDeviceGetDefaultMemPool(CUmemoryPool *pool, CUdevice device) {
  return with_driver([&](Driver &driver, Lock &) -> CUresult {
    Device *found = find_device(driver, device);
    *pool = found == nullptr ? nullptr : reinterpret_cast<CUmemoryPool>(&found->pool);
    return found == nullptr ? CUDA_ERROR_INVALID_DEVICE : CUDA_SUCCESS;
  });
}

CUresult cuDeviceGetMemPool(CUmemoryPool *pool, CUdevice device) {
  return with_driver([&](Driver &driver, Lock &) -> CUresult {
    Device *found = find_device(driver, device);
    *pool = found == nullptr ? nullptr : reinterpret_cast<CUmemoryPool>(found->current_pool);
    return found == nullptr ? CUDA_ERROR_INVALID_DEVICE : CUDA_SUCCESS;
  });
}

CUresult cuDeviceSetMemPool(CUdevice device, CUmemoryPool handle) {
  return with_driver([&](Driver &driver, Lock &) -> CUresult {
    Device *found = find_device(driver, device);
    Pool *pool = find(driver.pools, handle);
    if (found == nullptr || pool == nullptr || pool->device != found) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    found->current_pool = pool;
    return CUDA_SUCCESS;
  });
}

CUresult cuMemPoolSetAccess(CUmemoryPool handle, const CUmemAccessDesc *, size_t) {
  return with_driver([&](Driver &driver, Lock &) {
    // All devices of the process can access all memory.
    return find(driver.pools, handle) == nullptr ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
  });
}

CUresult cuMemPoolCreate(CUmemoryPool *created, const CUmemPoolProps *properties) {
  return with_driver([&](Driver &driver, Lock &) -> CUresult {
    Device *device = find_device(driver, properties->location.id);
    if (properties->location.type != CU_MEM_LOCATION_TYPE_DEVICE || device == nullptr) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    Pool *pool = new Pool;
    pool->device = device;
    driver.pools.insert(pool);
    *created = reinterpret_cast<CUmemoryPool>(pool);
    return CUDA_SUCCESS;
  });
}

CUresult cuMemPoolDestroy(CUmemoryPool handle) {
  return with_driver([&](Driver &driver, Lock &) -> CUresult {
    Pool *pool = find(driver.pools, handle);
    if (pool == nullptr || pool == &pool->device->pool) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    if (pool->device->current_pool == pool) {
      pool->device->current_pool = &pool->device->pool;
    }
    std::erase_if(driver.pooled, [&](const auto &block) { return block.second == pool; });
    driver.pools.erase(pool);
    delete pool;
    return CUDA_SUCCESS;
  });
}

CUresult cuMemPoolTrimTo(CUmemoryPool handle, size_t) {
  return with_driver([&](Driver &driver, Lock &) {
    // Freed blocks go back to the device at once, so that there is nothing to trim.
    return find(driver.pools, handle) == nullptr ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
  });
}

CUresult cuMemPoolSetAttribute(CUmemoryPool handle, CUmemPool_attribute attribute, void *value) {
  return with_driver([&](Driver &driver, Lock &) -> CUresult {
    Pool *pool = find(driver.pools, handle);
    if (pool == nullptr) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    if (attribute == CU_MEMPOOL_ATTR_USED_MEM_HIGH || attribute == CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH) {
      pool->high = pool->used;
    } else if (attribute == CU_MEMPOOL_ATTR_RELEASE_THRESHOLD) {
      pool->attributes[attribute] = *static_cast<cuuint64_t *>(value);
    } else {
      pool->attributes[attribute] = static_cast<std::uint64_t>(*static_cast<int *>(value));
    }
    return CUDA_SUCCESS;
  });
}

CUresult cuMemPoolGetAttribute(CUmemoryPool handle, CUmemPool_attribute attribute, void *value) {
  return with_driver([&](Driver &driver, Lock &) -> CUresult {
    Pool *pool = find(driver.pools, handle);
    if (pool == nullptr) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    switch (attribute) {
    case CU_MEMPOOL_ATTR_USED_MEM_CURRENT:
    case CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT:
      *static_cast<cuuint64_t *>(value) = pool->used;
      break;
    case CU_MEMPOOL_ATTR_USED_MEM_HIGH:
    case CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH:
      *static_cast<cuuint64_t *>(value) = pool->high;
      break;
    case CU_MEMPOOL_ATTR_RELEASE_THRESHOLD:
      *static_cast<cuuint64_t *>(value) = pool->attributes[attribute];
      break;
    default:
      *static_cast<int *>(value) = static_cast<int>(pool->attributes[attribute]);
    }
    return CUDA_SUCCESS;
  });
}

CUresult cuPointerGetAttribute(void *data, CUpointer_attribute attribute, CUdeviceptr pointer) {
  return with_driver(
      [&](Driver &driver, Lock &) { return attribute_of(driver.addresses.find(pointer), attribute, data, pointer); });
}

// Virtual memory: addresses, physical memory, and the mappings between them.
#include "api.h"

namespace aios::sim::driver {
namespace {

bool is_multiple(std::uint64_t value) {
  return value % kGranularity == 0;
}

/// The reserved range that bytes lie in; null when there is none.
Range *find_reserved(Driver &driver, CUdeviceptr start, size_t bytes) {
  Range *range = driver.addresses.find(start);
  return range != nullptr && range->place == Place::reserved && bytes <= range->start + range->bytes - start ? range
                                                                                                             : nullptr;
}

/// Whether bytes are exactly some mappings without a gap.
bool covers_whole_mappings(const Range &range, CUdeviceptr start, size_t bytes) {
  CUdeviceptr at = start;
  for (auto mapping = range.mappings.find(start); at < start + bytes; ++mapping) {
    if (mapping == range.mappings.end() || mapping->first != at) {
      return false;
    }
    at += mapping->second.bytes;
  }
  return at == start + bytes;
}

} // namespace
} // namespace aios::sim::driver

using namespace aios::sim::driver;

CUresult cuMemGetAllocationGranularity(size_t *granularity, const CUmemAllocationProp *,
                                       CUmemAllocationGranularity_flags) {
  *granularity = kGranularity;
  return CUDA_SUCCESS;
}

CUresult cuMemAddressReserve(CUdeviceptr *pointer, size_t bytes, size_t alignment, CUdeviceptr,
                             unsigned long long flags) {
  return with_driver([&](Driver &driver, Lock &) -> CUresult {
    if (bytes == 0 || !is_multiple(bytes) || flags != 0 || (alignment & (alignment - 1)) != 0) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    *pointer = driver.addresses.reserve(bytes, std::max(alignment, kGranularity));
    return *pointer == 0 ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_SUCCESS;
  });
}

CUresult cuMemAddressFree(CUdeviceptr pointer, size_t bytes) {
  return with_driver([&](Driver &driver, Lock &) -> CUresult {
    Range *range = find_reserved(driver, pointer, bytes);
    if (range == nullptr || range->start != pointer || range->bytes != bytes || !range->mappings.empty()) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    driver.addresses.free(pointer);
    return CUDA_SUCCESS;
  });
}

CUresult cuMemCreate(CUmemGenericAllocationHandle *handle, size_t bytes, const CUmemAllocationProp *properties,
                     unsigned long long flags) {
  return with_driver([&](Driver &driver, Lock &) -> CUresult {
    int number = properties->location.id;
    if (bytes == 0 || !is_multiple(bytes) || flags != 0 || properties->type != CU_MEM_ALLOCATION_TYPE_PINNED ||
        properties->location.type != CU_MEM_LOCATION_TYPE_DEVICE) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    Device *device = find_device(driver, number);
    if (device == nullptr) {
      return CUDA_ERROR_INVALID_DEVICE;
    }
    Memory &memory = device->memory;
    if (++driver.allocations == driver.settings.faults.oom || !memory.take(bytes)) {
      return CUDA_ERROR_OUT_OF_MEMORY;
    }
    std::int64_t offset = memory.extend(bytes);
    if (offset < 0) {
      memory.give(bytes);
      return CUDA_ERROR_OUT_OF_MEMORY;
    }
    *handle = ++driver.numbers;
    driver.physical[*handle] = {std::make_shared<Physical>(memory, number, bytes, offset), 1};
    return CUDA_SUCCESS;
  });
}

CUresult cuMemRelease(CUmemGenericAllocationHandle handle) {
  return with_driver([&](Driver &driver, Lock &) -> CUresult {
    auto found = driver.physical.find(handle);
    if (found == driver.physical.end()) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    // Mappings keep the memory.
    if (--found->second.second == 0) {
      driver.physical.erase(found);
    }
    return CUDA_SUCCESS;
  });
}

CUresult cuMemRetainAllocationHandle(CUmemGenericAllocationHandle *handle, void *memory) {
  return with_driver([&](Driver &driver, Lock &) -> CUresult {
    CUdeviceptr address = reinterpret_cast<CUdeviceptr>(memory);
    Range *range = find_reserved(driver, address, 1);
    if (range == nullptr || range->mappings.empty() || range->mappings.begin()->first > address) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    auto mapping = std::prev(range->mappings.upper_bound(address));
    if (address >= mapping->first + mapping->second.bytes) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    for (auto &[known, entry] : driver.physical) {
      if (entry.first == mapping->second.physical) {
        *handle = known;
        ++entry.second;
        return CUDA_SUCCESS;
      }
    }
    *handle = ++driver.numbers;
    driver.physical[*handle] = {mapping->second.physical, 1};
    return CUDA_SUCCESS;
  });
}

CUresult cuMemMap(CUdeviceptr pointer, size_t bytes, size_t offset, CUmemGenericAllocationHandle handle,
                  unsigned long long flags) {
  return with_driver([&](Driver &driver, Lock &) -> CUresult {
    auto found = driver.physical.find(handle);
    Range *range = find_reserved(driver, pointer, bytes);
    if (found == driver.physical.end() || range == nullptr || offset != 0 || flags != 0 || !is_multiple(pointer) ||
        bytes != found->second.first->bytes) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    auto next = range->mappings.upper_bound(pointer + bytes - 1);
    if (next != range->mappings.begin()) {
      --next;
      if (next->first + next->second.bytes > pointer) {
        return CUDA_ERROR_INVALID_VALUE; // something is mapped there
      }
    }
    range->mappings[pointer] = Mapping{bytes, found->second.first};
    range->device = found->second.first->device;
    return CUDA_SUCCESS;
  });
}

CUresult cuMemUnmap(CUdeviceptr pointer, size_t bytes) {
  return with_driver([&](Driver &driver, Lock &) -> CUresult {
    Range *range = find_reserved(driver, pointer, bytes);
    if (range == nullptr || bytes == 0 || !covers_whole_mappings(*range, pointer, bytes)) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    Addresses::withdraw(pointer, bytes);
    range->mappings.erase(range->mappings.find(pointer), range->mappings.lower_bound(pointer + bytes));
    return CUDA_SUCCESS;
  });
}

CUresult cuMemSetAccess(CUdeviceptr pointer, size_t bytes, const CUmemAccessDesc *rights, size_t count) {
  return with_driver([&](Driver &driver, Lock &) -> CUresult {
    Range *range = find_reserved(driver, pointer, bytes);
    if (range == nullptr || bytes == 0 || !covers_whole_mappings(*range, pointer, bytes)) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    for (auto mapping = range->mappings.find(pointer);
         mapping != range->mappings.end() && mapping->first < pointer + bytes; ++mapping) {
      Mapping &changed = mapping->second;
      for (size_t i = 0; i < count; ++i) {
        // The process has one page table for all devices, so that only the owner's own rights can be enforced.
        if (rights[i].location.id == changed.physical->device) {
          changed.readable = rights[i].flags != CU_MEM_ACCESS_FLAGS_PROT_NONE;
          changed.writable = rights[i].flags == CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
        }
      }
      if (!Addresses::apply(mapping->first, changed)) {
        return CUDA_ERROR_OUT_OF_MEMORY;
      }
    }
    return CUDA_SUCCESS;
  });
}

// Copies and fills.
//
// As the real driver does: a copy from pageable memory has read it when the call returns; one to pageable memory may or
// may not have been made by then; everything else is made later. Copies between two places of the host wait.
#include <cstring>

#include "api.h"

namespace aios::sim::driver {
namespace {

bool is_pageable(Driver &driver, std::uintptr_t address) {
  return driver.addresses.find(address) == nullptr;
}

bool is_host(Driver &driver, std::uintptr_t address) {
  const Range *range = driver.addresses.find(address);
  return range == nullptr || range->on_host();
}

CUresult copy(Driver &driver, Lock &lock, Stream &stream, std::uintptr_t to, std::uintptr_t from, size_t bytes,
              bool wait) {
  if (bytes == 0) {
    return CUDA_SUCCESS;
  }
  CopyWork work{to, from, bytes, nullptr};
  bool waits = wait;
  if (stream.capture == nullptr) {
    bool host_only = is_host(driver, to) && is_host(driver, from);
    if (is_pageable(driver, from) && !host_only) {
      const std::byte *source = reinterpret_cast<const std::byte *>(from);
      work.staged = std::make_shared<std::vector<std::byte>>(source, source + bytes);
    }
    waits = wait || host_only || (is_pageable(driver, to) && driver.random.below(2) == 0);
  }
  CUresult error = enqueue(driver, stream, std::move(work));
  return error == CUDA_SUCCESS && waits ? await(driver, lock, *stream.context, reached(stream)) : error;
}

CUresult copy_async(std::uintptr_t to, std::uintptr_t from, size_t bytes, CUstream handle) {
  return with_stream(handle, [&](Driver &driver, Lock &lock, Stream &stream) {
    return copy(driver, lock, stream, to, from, bytes, false);
  });
}

/// A copy of the legacy default stream that is waited for.
CUresult copy_now(std::uintptr_t to, std::uintptr_t from, size_t bytes) {
  return with_stream(nullptr, [&](Driver &driver, Lock &lock, Stream &stream) -> CUresult {
    CUresult error = leave_captures_alone(driver);
    return error != CUDA_SUCCESS ? error : copy(driver, lock, stream, to, from, bytes, true);
  });
}

std::uintptr_t address(const void *pointer) {
  return reinterpret_cast<std::uintptr_t>(pointer);
}

CUresult fill(CUstream handle, std::uintptr_t to, std::uint32_t value, size_t element_bytes, size_t count) {
  return with_stream(handle, [&](Driver &driver, Lock &, Stream &stream) -> CUresult {
    if (to % element_bytes != 0 || is_pageable(driver, to)) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    return count == 0 ? CUDA_SUCCESS : enqueue(driver, stream, FillWork{to, value, element_bytes, count, 1, 0});
  });
}

} // namespace
} // namespace aios::sim::driver

using namespace aios::sim::driver;

CUresult cuMemcpy(CUdeviceptr to, CUdeviceptr from, size_t bytes) {
  return copy_now(to, from, bytes);
}

CUresult cuMemcpyHtoD_v2(CUdeviceptr to, const void *from, size_t bytes) {
  return copy_now(to, address(from), bytes);
}

CUresult cuMemcpyDtoH_v2(void *to, CUdeviceptr from, size_t bytes) {
  return copy_now(address(to), from, bytes);
}

CUresult cuMemcpyDtoD_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes) {
  return copy_now(to, from, bytes);
}

CUresult cuMemcpyAsync(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream) {
  return copy_async(to, from, bytes, stream);
}

CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t bytes, CUstream stream) {
  return copy_async(to, address(from), bytes, stream);
}

CUresult cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t bytes, CUstream stream) {
  return copy_async(address(to), from, bytes, stream);
}

CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream) {
  return copy_async(to, from, bytes, stream);
}

CUresult cuMemcpyPeerAsync(CUdeviceptr to, CUcontext to_context, CUdeviceptr from, CUcontext from_context, size_t bytes,
                           CUstream stream) {
  if (to_context == nullptr || from_context == nullptr) {
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  return copy_async(to, from, bytes, stream);
}

CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t count, CUstream stream) {
  return fill(stream, to, value, 1, count);
}

CUresult cuMemsetD16Async(CUdeviceptr to, unsigned short value, size_t count, CUstream stream) {
  return fill(stream, to, value, 2, count);
}

CUresult cuMemsetD32Async(CUdeviceptr to, unsigned int value, size_t count, CUstream stream) {
  return fill(stream, to, value, 4, count);
}

CUresult cuMemsetD8_v2(CUdeviceptr to, unsigned char value, size_t count) {
  return fill(nullptr, to, value, 1, count);
}

CUresult cuMemsetD32_v2(CUdeviceptr to, unsigned int value, size_t count) {
  return fill(nullptr, to, value, 4, count);
}

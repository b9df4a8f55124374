// What every exported function begins with: the lock, the state it needs, and the errors of a call that comes too early
// or too late.
#pragma once

#include <algorithm>
#include <utility>

#include "state.h"

namespace aios::sim::driver {

/// Runs `body(driver, lock)` once cuInit has succeeded.
template <class Body> CUresult with_driver(Body body) {
  Driver &driver = Driver::get();
  Lock lock(driver.mutex);
  return driver.status == CUDA_SUCCESS ? body(driver, lock) : driver.status;
}

/// Runs `body(driver, lock, context)` with the calling thread's context, unless that has failed.
template <class Body> CUresult with_context(Body body) {
  return with_driver([&](Driver &driver, Lock &lock) -> CUresult {
    Context *context = current_context();
    if (context == nullptr) {
      return CUDA_ERROR_INVALID_CONTEXT;
    }
    return context->error != CUDA_SUCCESS ? context->error : body(driver, lock, *context);
  });
}

/// The device of a number; null when there is none.
inline Device *find_device(Driver &driver, CUdevice number) {
  return number >= 0 && number < static_cast<int>(driver.devices.size())
             ? driver.devices[static_cast<size_t>(number)].get()
             : nullptr;
}

/// The stream of a handle, which may be one of the default streams; null when there is none.
Stream *find_stream(Driver &driver, CUstream handle);

/// Runs `body(driver, lock, stream)`, unless the stream's context has failed.
template <class Body> CUresult with_stream(CUstream handle, Body body) {
  return with_driver([&](Driver &driver, Lock &lock) -> CUresult {
    Stream *stream = find_stream(driver, handle);
    if (stream == nullptr) {
      return handle == nullptr ? CUDA_ERROR_INVALID_CONTEXT : CUDA_ERROR_INVALID_HANDLE;
    }
    return stream->context->error != CUDA_SUCCESS ? stream->context->error : body(driver, lock, *stream);
  });
}

/// The object of a handle; null when there is none.
template <class Object, class Handle> Object *find(std::set<Object *> &known, Handle handle) {
  Object *object = reinterpret_cast<Object *>(handle);
  return known.contains(object) ? object : nullptr;
}

/// Writes at most `*count` of some handles and how many there are, or only the latter when `handles` is null.
template <class Handle, class Object>
void write_list(Handle *handles, size_t *count, const std::vector<Object *> &objects) {
  if (handles != nullptr) {
    for (size_t i = 0; i < *count; ++i) {
      handles[i] = i < objects.size() ? reinterpret_cast<Handle>(objects[i]) : nullptr;
    }
    *count = std::min(*count, objects.size());
  } else {
    *count = objects.size();
  }
}

/// Makes captures invalid that forbid what the calling thread is about to do; the error to return, or success.
CUresult leave_captures_alone(Driver &driver);

} // namespace aios::sim::driver

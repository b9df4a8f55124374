// Names and meanings of the driver's results.
#include "cuda_api.h"

namespace {

struct Entry {
  CUresult value;
  const char *name, *meaning;
};

#define ENTRY(name, meaning)                                                                                           \
  { name, #name, meaning }

constexpr Entry kEntries[] = {
    ENTRY(CUDA_SUCCESS, "no error"),
    ENTRY(CUDA_ERROR_INVALID_VALUE, "an argument is out of range"),
    ENTRY(CUDA_ERROR_OUT_OF_MEMORY, "the device has no memory left"),
    ENTRY(CUDA_ERROR_NOT_INITIALIZED, "cuInit was not called or failed"),
    ENTRY(CUDA_ERROR_NO_DEVICE, "there is no device"),
    ENTRY(CUDA_ERROR_INVALID_DEVICE, "there is no device with this number"),
    ENTRY(CUDA_ERROR_DEVICE_UNAVAILABLE, "the device cannot be used now"),
    ENTRY(CUDA_ERROR_INVALID_IMAGE, "the image is no kernel image"),
    ENTRY(CUDA_ERROR_INVALID_CONTEXT, "the thread has no context"),
    ENTRY(CUDA_ERROR_NO_BINARY_FOR_GPU, "the kernels were not compiled for this device"),
    ENTRY(CUDA_ERROR_INVALID_PTX, "the image cannot be compiled for this device"),
    ENTRY(CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED, "access to the peer is enabled"),
    ENTRY(CUDA_ERROR_PEER_ACCESS_NOT_ENABLED, "access to the peer is not enabled"),
    ENTRY(CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED, "the host memory is registered"),
    ENTRY(CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED, "the host memory is not registered"),
    ENTRY(CUDA_ERROR_ECC_UNCORRECTABLE, "memory of the device is broken"),
    ENTRY(CUDA_ERROR_INVALID_HANDLE, "the handle is of nothing that exists"),
    ENTRY(CUDA_ERROR_NOT_FOUND, "there is nothing of this name"),
    ENTRY(CUDA_ERROR_NOT_READY, "the work is still running"),
    ENTRY(CUDA_ERROR_ILLEGAL_ADDRESS, "an address outside memory was accessed"),
    ENTRY(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, "the launch needs more than the device has"),
    ENTRY(CUDA_ERROR_LAUNCH_TIMEOUT, "the kernel took too long"),
    ENTRY(CUDA_ERROR_CONTEXT_IS_DESTROYED, "the context was destroyed"),
    ENTRY(CUDA_ERROR_MISALIGNED_ADDRESS, "an address is not aligned as the instruction needs it"),
    ENTRY(CUDA_ERROR_LAUNCH_FAILED, "a kernel failed"),
    ENTRY(CUDA_ERROR_NOT_PERMITTED, "the operation is not permitted"),
    ENTRY(CUDA_ERROR_NOT_SUPPORTED, "the operation is not supported"),
    ENTRY(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "the operation is not permitted while a stream is captured"),
    ENTRY(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "an earlier error made the capture invalid"),
    ENTRY(CUDA_ERROR_STREAM_CAPTURE_MERGE, "the operation would merge two captures"),
    ENTRY(CUDA_ERROR_STREAM_CAPTURE_UNMATCHED, "the capture did not begin with this stream"),
    ENTRY(CUDA_ERROR_STREAM_CAPTURE_UNJOINED, "work of another stream of the capture was not joined"),
    ENTRY(CUDA_ERROR_STREAM_CAPTURE_ISOLATION, "a captured stream would depend on work outside the capture"),
    ENTRY(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, "the default stream would depend on a captured one"),
    ENTRY(CUDA_ERROR_CAPTURED_EVENT, "the event was recorded in a capture"),
    ENTRY(CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD, "the capture began on another thread"),
    ENTRY(CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE, "the graph differs in more than parameters"),
    ENTRY(CUDA_ERROR_UNKNOWN, "the device is in an unknown state"),
};

const Entry *entry_of(CUresult error) {
  for (const Entry &entry : kEntries) {
    if (entry.value == error) {
      return &entry;
    }
  }
  return nullptr;
}

} // namespace

CUresult cuGetErrorName(CUresult error, const char **text) {
  const Entry *entry = entry_of(error);
  *text = entry == nullptr ? nullptr : entry->name;
  return entry == nullptr ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

CUresult cuGetErrorString(CUresult error, const char **text) {
  const Entry *entry = entry_of(error);
  *text = entry == nullptr ? nullptr : entry->meaning;
  return entry == nullptr ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

/* A few functions of the miniature headers, so that a test can call them through the generated tables. */
#include "mini_cl.h"
#include "mini_nccl.h"
#include "mini_nvml.h"

#include <string.h>

CUresult cuInit(unsigned int Flags) { return Flags == 7 ? CUDA_ERROR_UNKNOWN : CUDA_SUCCESS; }

CUresult cuMemAlloc(CUdeviceptr *dptr, size_t bytesize) {
  *dptr = 0x100000000ull + bytesize;
  return CUDA_SUCCESS;
}

CUresult cuDriverGetVersion(int *driverVersion) {
  *driverVersion = CUDA_VERSION;
  return CUDA_SUCCESS;
}

CUresult cuStreamAddCallback(CUstream hStream, CUstreamCallback callback, void *userData, unsigned int flags) {
  callback(hStream, flags == 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE, userData);
  return CUDA_SUCCESS;
}

CUresult cuResourceCreate(CUresource *resource, const CUtensorMap *map) {
  resource->kind = (int)map->opaque[15];
  resource->linear = 0x1122334455667788ull;
  resource->matrix[1][2] = 4.5;
  resource->extra[3] = resource;
  return CUDA_SUCCESS;
}

CUresult cuIpcOpenMemHandle(CUdeviceptr *pdptr, CUipcMemHandle handle, unsigned int Flags) {
  *pdptr = (CUdeviceptr)handle.reserved[63] + Flags;
  return CUDA_SUCCESS;
}

ncclResult_t ncclGetUniqueId(ncclUniqueId *uniqueId) {
  for (int i = 0; i < NCCL_UNIQUE_ID_BYTES; i++)
    uniqueId->internal[i] = (char)i;
  return ncclSuccess;
}

ncclResult_t ncclCommInitRank(ncclComm_t *comm, int nranks, ncclUniqueId commId, int rank) {
  for (int i = 0; i < NCCL_UNIQUE_ID_BYTES; i++)
    if (commId.internal[i] != (char)i)
      return ncclUnhandledCudaError;
  *comm = (ncclComm_t)(uintptr_t)(nranks * 100 + rank);
  return ncclSuccess;
}

const char *ncclGetErrorString(ncclResult_t result) { return result == ncclSuccess ? "no error" : "unhandled error"; }

nvmlReturn_t nvmlDeviceGetSamples(nvmlDevice_t device, unsigned int *count, nvmlSample_t *samples, nvmlMask_t mask) {
  if (device != NULL || mask != NVML_MASK_HIGH)
    return NVML_ERROR_UNKNOWN;
  *count = 1;
  samples->timeStamp = 42;
  samples->sampleValue.dVal = 1.0;
  return NVML_SUCCESS;
}

cl_context clCreateContext(const cl_context_properties *properties, cl_uint num_devices, const cl_device_id *devices,
                           void(CL_CALLBACK *pfn_notify)(const char *errinfo, const void *private_info, size_t cb,
                                                         void *user_data),
                           void *user_data, cl_int *errcode_ret) {
  pfn_notify("from the library", devices, num_devices, user_data);
  *errcode_ret = (cl_int)properties[0];
  return (cl_context)user_data;
}

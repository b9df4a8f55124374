#include "device.h"

#include <cuda.h>

// Exported by the simulator alone.
extern "C" const char *aios_cudasim_last_report(void) __attribute__((weak));

namespace golden {
namespace {

void check(CUresult error, const char *what) {
  if (error == CUDA_SUCCESS)
    return;
  const char *name = "an unknown error";
  cuGetErrorName(error, &name);
  std::string text = std::string(what) + ": " + name;
  if (aios_cudasim_last_report != nullptr && *aios_cudasim_last_report() != '\0')
    text += std::string(": ") + aios_cudasim_last_report();
  throw Failure(text);
}

} // namespace

Device::Device() {
  check(cuInit(0), "cuInit");
  CUcontext context;
  check(cuDevicePrimaryCtxRetain(&context, 0), "cuDevicePrimaryCtxRetain");
  check(cuCtxSetCurrent(context), "cuCtxSetCurrent");
}

Device::~Device() {
  cuCtxSetCurrent(nullptr);
  cuDevicePrimaryCtxRelease(0);
}

std::string Device::name() const {
  char name[256] = {};
  check(cuDeviceGetName(name, sizeof name, 0), "cuDeviceGetName");
  return name;
}

int Device::capability() const {
  int major = 0, minor = 0;
  check(cuDeviceGetAttribute(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, 0), "cuDeviceGetAttribute");
  check(cuDeviceGetAttribute(&minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, 0), "cuDeviceGetAttribute");
  return 10 * major + minor;
}

std::string Device::driver() const {
  int version = 0;
  check(cuDriverGetVersion(&version), "cuDriverGetVersion");
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

bool Device::simulated() const {
  return aios_cudasim_last_report != nullptr;
}

void *Device::copy_in(const void *bytes, size_t size) {
  CUdeviceptr block = 0;
  check(cuMemAlloc(&block, size), "cuMemAlloc");
  blocks_.push_back(block);
  check(cuMemcpyHtoD(block, bytes, size), "cuMemcpyHtoD");
  return reinterpret_cast<void *>(block);
}

void Device::copy_out(void *bytes, const void *device, size_t size) {
  check(cuCtxSynchronize(), "the kernel");
  check(cuMemcpyDtoH(bytes, reinterpret_cast<CUdeviceptr>(device), size), "cuMemcpyDtoH");
}

void Device::encode_map(void *map, const MapSpec &spec) {
  cuuint64_t extents[5], strides[4];
  cuuint32_t box[5], element_strides[5];
  for (uint32_t i = 0; i < spec.rank; ++i) {
    extents[i] = spec.extents[i];
    box[i] = spec.box[i];
    element_strides[i] = 1;
    if (i > 0)
      strides[i - 1] = spec.strides[i - 1];
  }
  check(cuTensorMapEncodeTiled(static_cast<CUtensorMap *>(map), static_cast<CUtensorMapDataType>(spec.type), spec.rank,
                               spec.address, extents, strides, box, element_strides, CU_TENSOR_MAP_INTERLEAVE_NONE,
                               static_cast<CUtensorMapSwizzle>(spec.swizzle), CU_TENSOR_MAP_L2_PROMOTION_NONE,
                               static_cast<CUtensorMapFloatOOBfill>(spec.fill)),
        "cuTensorMapEncodeTiled");
}

void Device::release() {
  cuCtxSynchronize();
  for (uint64_t block : blocks_)
    cuMemFree(block);
  blocks_.clear();
}

} // namespace golden

// The exported functions of the stand-in for NVML: how the simulated devices are.
#pragma GCC visibility push(default)
#include "../generated/nvml.h"
#pragma GCC visibility pop

#include <cstdio>
#include <unistd.h>

#include "api.h"

using namespace aios::sim::driver;

namespace {

constexpr const char *kVersion = "12.4 (simulated)";

/// A number that no process of the machine has; those that the environment adds count up from it.
constexpr unsigned kFirstOther = 1u << 30;

/// Runs `body(driver)` once nvmlInit has succeeded.
template <class Body> nvmlReturn_t with_nvml(Body body) {
  Driver &driver = Driver::get();
  Lock lock(driver.mutex);
  return driver.has_nvml ? body(driver) : NVML_ERROR_UNINITIALIZED;
}

/// Runs `body(device, sensors)` with the device of a handle, unless it was lost.
template <class Body> nvmlReturn_t with_sensors(nvmlDevice_t handle, Body body) {
  return with_nvml([&](Driver &driver) -> nvmlReturn_t {
    for (const auto &device : driver.devices) {
      if (reinterpret_cast<nvmlDevice_t>(device.get()) == handle) {
        bool lost = device->context.error == CUDA_ERROR_DEVICE_UNAVAILABLE;
        return lost ? NVML_ERROR_GPU_IS_LOST : body(*device, driver.settings.sensors);
      }
    }
    return NVML_ERROR_INVALID_ARGUMENT;
  });
}

/// Writes the value of a sensor that the environment may leave out.
template <class Number> nvmlReturn_t answer(const std::optional<std::uint64_t> &value, Number *result) {
  if (!value) {
    return NVML_ERROR_NOT_SUPPORTED;
  }
  *result = static_cast<Number>(*value);
  return NVML_SUCCESS;
}

template <class Number>
nvmlReturn_t read(nvmlDevice_t device, std::optional<std::uint64_t> Sensors::*value, Number *result) {
  return with_sensors(device, [&](Device &, const Sensors &sensors) { return answer(sensors.*value, result); });
}

nvmlReturn_t write(const char *text, char *result, unsigned length) {
  int needed = std::snprintf(result, length, "%s", text);
  return needed < static_cast<int>(length) ? NVML_SUCCESS : NVML_ERROR_INSUFFICIENT_SIZE;
}

std::uint64_t used_here(const Device &device) {
  return device.memory.capacity() - device.memory.free();
}

} // namespace

nvmlReturn_t nvmlInit_v2() {
  // What the environment asks for is read by whoever starts first.
  CUresult result = cuInit(0);
  Driver &driver = Driver::get();
  Lock lock(driver.mutex);
  driver.has_nvml = result == CUDA_SUCCESS;
  return driver.has_nvml                      ? NVML_SUCCESS
         : result == CUDA_ERROR_INVALID_VALUE ? NVML_ERROR_INVALID_ARGUMENT
                                              : NVML_ERROR_DRIVER_NOT_LOADED;
}

const char *nvmlErrorString(nvmlReturn_t result) {
  switch (result) {
  case NVML_SUCCESS:
    return "no error";
  case NVML_ERROR_UNINITIALIZED:
    return "nvmlInit was not called or failed";
  case NVML_ERROR_INVALID_ARGUMENT:
    return "an argument, or a variable of the environment, has no possible value";
  case NVML_ERROR_NOT_SUPPORTED:
    return "the device has no such sensor";
  case NVML_ERROR_NOT_FOUND:
    return "there is no such device";
  case NVML_ERROR_INSUFFICIENT_SIZE:
    return "there is more than the caller has room for";
  case NVML_ERROR_DRIVER_NOT_LOADED:
    return "the driver did not start";
  case NVML_ERROR_GPU_IS_LOST:
    return "the device is lost";
  case NVML_ERROR_ARGUMENT_VERSION_MISMATCH:
    return "the version of a struct is unknown";
  default:
    return "unknown error";
  }
}

nvmlReturn_t nvmlSystemGetDriverVersion(char *version, unsigned int length) {
  return with_nvml([&](Driver &) { return write(kVersion, version, length); });
}

nvmlReturn_t nvmlSystemGetNVMLVersion(char *version, unsigned int length) {
  return with_nvml([&](Driver &) { return write(kVersion, version, length); });
}

nvmlReturn_t nvmlDeviceGetHandleByPciBusId_v2(const char *bus, nvmlDevice_t *handle) {
  CUdevice number = 0;
  CUresult result = cuDeviceGetByPCIBusId(&number, bus);
  return with_nvml([&](Driver &driver) {
    Device *device = result == CUDA_SUCCESS ? find_device(driver, number) : nullptr;
    *handle = reinterpret_cast<nvmlDevice_t>(device);
    return device == nullptr ? NVML_ERROR_NOT_FOUND : NVML_SUCCESS;
  });
}

nvmlReturn_t nvmlDeviceGetClockInfo(nvmlDevice_t device, nvmlClockType_t type, unsigned int *clock) {
  return read(device, type == NVML_CLOCK_MEM ? &Sensors::memory_clock : &Sensors::sm_clock, clock);
}

nvmlReturn_t nvmlDeviceGetMaxClockInfo(nvmlDevice_t device, nvmlClockType_t type, unsigned int *clock) {
  return read(device, type == NVML_CLOCK_MEM ? &Sensors::memory_clock_max : &Sensors::sm_clock_max, clock);
}

nvmlReturn_t nvmlDeviceGetTemperature(nvmlDevice_t device, nvmlTemperatureSensors_t sensor, unsigned int *degrees) {
  return sensor == NVML_TEMPERATURE_GPU ? read(device, &Sensors::temperature, degrees) : NVML_ERROR_INVALID_ARGUMENT;
}

nvmlReturn_t nvmlDeviceGetCurrentClocksEventReasons(nvmlDevice_t device, unsigned long long *reasons) {
  return read(device, &Sensors::slowdown, reasons);
}

nvmlReturn_t nvmlDeviceGetCurrentClocksThrottleReasons(nvmlDevice_t device, unsigned long long *reasons) {
  return nvmlDeviceGetCurrentClocksEventReasons(device, reasons);
}

nvmlReturn_t nvmlDeviceGetPowerUsage(nvmlDevice_t device, unsigned int *milliwatts) {
  return read(device, &Sensors::power, milliwatts);
}

nvmlReturn_t nvmlDeviceGetEnforcedPowerLimit(nvmlDevice_t device, unsigned int *milliwatts) {
  return read(device, &Sensors::power_limit, milliwatts);
}

nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device, nvmlMemory_v2_t *memory) {
  return with_sensors(device, [&](Device &found, const Sensors &sensors) {
    if (memory->version != nvmlMemory_v2) {
      return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    }
    memory->total = found.memory.capacity();
    memory->used = std::min<std::uint64_t>(memory->total, used_here(found) + sensors.other_memory.value_or(0));
    memory->free = memory->total - memory->used;
    memory->reserved = 0;
    return NVML_SUCCESS;
  });
}

nvmlReturn_t nvmlDeviceGetTotalEccErrors(nvmlDevice_t device, nvmlMemoryErrorType_t type, nvmlEccCounterType_t,
                                         unsigned long long *errors) {
  if (type == NVML_MEMORY_ERROR_TYPE_UNCORRECTED) {
    return read(device, &Sensors::ecc_errors, errors);
  }
  return with_sensors(device, [](Device &, const Sensors &) { return NVML_ERROR_NOT_SUPPORTED; });
}

nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t device, nvmlUtilization_t *rates) {
  return with_sensors(device, [&](Device &, const Sensors &sensors) {
    // They are one sensor of the device: both or none.
    if (!sensors.utilization && !sensors.memory_utilization) {
      return NVML_ERROR_NOT_SUPPORTED;
    }
    rates->gpu = static_cast<unsigned>(sensors.utilization.value_or(0));
    rates->memory = static_cast<unsigned>(sensors.memory_utilization.value_or(0));
    return NVML_SUCCESS;
  });
}

nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t device, unsigned int *count,
                                                     nvmlProcessInfo_t *processes) {
  return with_sensors(device, [&](Device &found, const Sensors &sensors) {
    std::vector<nvmlProcessInfo_t> all;
    if (found.context.references > 0) {
      all.push_back({static_cast<unsigned>(getpid()), used_here(found), ~0u, ~0u});
    }
    std::uint64_t others = sensors.other_processes.value_or(0);
    for (std::uint64_t i = 0; i < others; ++i) {
      std::uint64_t bytes = sensors.other_memory.value_or(0) / others;
      all.push_back({kFirstOther + static_cast<unsigned>(i), bytes, ~0u, ~0u});
    }
    bool fits = all.size() <= *count;
    *count = static_cast<unsigned>(all.size());
    if (fits && !all.empty()) {
      std::copy(all.begin(), all.end(), processes);
    }
    return fits ? NVML_SUCCESS : NVML_ERROR_INSUFFICIENT_SIZE;
  });
}

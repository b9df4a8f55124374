// The stand-in for NVML: what it answers of its own, what the environment adds, and its errors.
#include <algorithm>
#include <cstring>

#include "cudasim_driver_test.h"
#include "simulator/generated/nvml.h"

namespace {

nvmlDevice_t device_at(const char *bus) {
  nvmlDevice_t device = nullptr;
  return nvmlDeviceGetHandleByPciBusId(bus, &device) == NVML_SUCCESS ? device : nullptr;
}

class CudasimNvml : public Cudasim {
protected:
  void SetUp() override {
    Cudasim::SetUp();
    ASSERT_EQ(nvmlInit(), NVML_SUCCESS);
    char bus[32];
    OK(cuDeviceGetPCIBusId(bus, sizeof bus, 0));
    device = device_at(bus);
    ASSERT_NE(device, nullptr);
  }

  unsigned long long used() {
    nvmlMemory_v2_t memory{};
    memory.version = nvmlMemory_v2;
    EXPECT_EQ(nvmlDeviceGetMemoryInfo_v2(device, &memory), NVML_SUCCESS);
    EXPECT_EQ(memory.used + memory.free + memory.reserved, memory.total);
    return memory.used;
  }

  nvmlDevice_t device = nullptr;
};

TEST_F(CudasimNvml, MemoryIsWhatTheDeviceHasInUse) {
  unsigned long long before = used();
  allocate<char>(3 << 20);
  EXPECT_GE(used(), before + (3 << 20));
  free_blocks();
  EXPECT_EQ(used(), before);
  nvmlMemory_v2_t unknown{};
  EXPECT_EQ(nvmlDeviceGetMemoryInfo_v2(device, &unknown), NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
}

TEST_F(CudasimNvml, ThisProcessIsListedAsLongAsItHasAContext) {
  allocate<char>(1 << 20);
  unsigned count = 0;
  EXPECT_EQ(nvmlDeviceGetComputeRunningProcesses(device, &count, nullptr), NVML_ERROR_INSUFFICIENT_SIZE);
  ASSERT_EQ(count, 1u);
  nvmlProcessInfo_t process{};
  ASSERT_EQ(nvmlDeviceGetComputeRunningProcesses(device, &count, &process), NVML_SUCCESS);
  EXPECT_EQ(process.pid, static_cast<unsigned>(getpid()));
  EXPECT_EQ(process.usedGpuMemory, used());
  free_blocks();
  OK(cuDevicePrimaryCtxRelease_v2(0));
  EXPECT_EQ(nvmlDeviceGetComputeRunningProcesses(device, &count, nullptr), NVML_SUCCESS);
  EXPECT_EQ(count, 0u);
  OK(cuDevicePrimaryCtxRetain(&context, 0)); // for the end of the test
}

TEST_F(CudasimNvml, ThereAreNoOtherSensors) {
  unsigned value = 7;
  unsigned long long wide = 7;
  nvmlUtilization_t rates{7, 7};
  EXPECT_EQ(nvmlDeviceGetTemperature(device, NVML_TEMPERATURE_GPU, &value), NVML_ERROR_NOT_SUPPORTED);
  EXPECT_EQ(nvmlDeviceGetPowerUsage(device, &value), NVML_ERROR_NOT_SUPPORTED);
  EXPECT_EQ(nvmlDeviceGetEnforcedPowerLimit(device, &value), NVML_ERROR_NOT_SUPPORTED);
  for (nvmlClockType_t clock : {NVML_CLOCK_SM, NVML_CLOCK_MEM}) {
    EXPECT_EQ(nvmlDeviceGetClockInfo(device, clock, &value), NVML_ERROR_NOT_SUPPORTED);
    EXPECT_EQ(nvmlDeviceGetMaxClockInfo(device, clock, &value), NVML_ERROR_NOT_SUPPORTED);
  }
  EXPECT_EQ(nvmlDeviceGetUtilizationRates(device, &rates), NVML_ERROR_NOT_SUPPORTED);
  EXPECT_EQ(nvmlDeviceGetCurrentClocksEventReasons(device, &wide), NVML_ERROR_NOT_SUPPORTED);
  EXPECT_EQ(nvmlDeviceGetCurrentClocksThrottleReasons(device, &wide), NVML_ERROR_NOT_SUPPORTED);
  EXPECT_EQ(nvmlDeviceGetTotalEccErrors(device, NVML_MEMORY_ERROR_TYPE_UNCORRECTED, NVML_VOLATILE_ECC, &wide),
            NVML_ERROR_NOT_SUPPORTED);
  EXPECT_EQ(value, 7u);
  EXPECT_EQ(wide, 7u);
  EXPECT_STREQ(nvmlErrorString(NVML_ERROR_NOT_SUPPORTED), "the device has no such sensor");
}

TEST_F(CudasimNvml, WhatDoesNotExistIsRefused) {
  nvmlDevice_t none = device;
  EXPECT_EQ(nvmlDeviceGetHandleByPciBusId("0000:ee:00.0", &none), NVML_ERROR_NOT_FOUND);
  EXPECT_EQ(none, nullptr);
  unsigned value;
  EXPECT_EQ(nvmlDeviceGetPowerUsage(none, &value), NVML_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(nvmlDeviceGetTemperature(device, NVML_TEMPERATURE_COUNT, &value), NVML_ERROR_INVALID_ARGUMENT);
  char text[4];
  EXPECT_EQ(nvmlSystemGetNVMLVersion(text, sizeof text), NVML_ERROR_INSUFFICIENT_SIZE);
  EXPECT_NE(device, device_at("0000:02:00.0"));
}

TEST(CudasimSettings, NothingIsAnsweredBeforeTheStart) {
  with_settings({}, [] {
    char text[80];
    nvmlDevice_t device = nullptr;
    return nvmlSystemGetDriverVersion(text, sizeof text) == NVML_ERROR_UNINITIALIZED && cuInit(0) == CUDA_SUCCESS &&
           nvmlDeviceGetHandleByPciBusId("0000:01:00.0", &device) == NVML_ERROR_UNINITIALIZED &&
           nvmlInit() == NVML_SUCCESS && nvmlSystemGetDriverVersion(text, sizeof text) == NVML_SUCCESS &&
           std::strstr(text, "simulated") != nullptr;
  });
  with_settings({{"AIOS_CUDASIM_FAULTS", "init=100"}}, [] { return nvmlInit() == NVML_ERROR_DRIVER_NOT_LOADED; });
}

TEST(CudasimSettings, SensorsSayWhatTheyAreAskedTo) {
  with_settings({{"AIOS_CUDASIM_SENSORS", "temperature=83,power=650.5,memory-clock=2619,slowdown=hardware+idle,"
                                          "other-processes=2,other-memory=1000"}},
                [] {
                  nvmlDevice_t device = nvmlInit() == NVML_SUCCESS ? device_at("0000:02:00.0") : nullptr;
                  unsigned degrees = 0, milliwatts = 0, clock = 0, count = 0;
                  unsigned long long reasons = 0;
                  nvmlMemory_v2_t memory{};
                  memory.version = nvmlMemory_v2;
                  return nvmlDeviceGetTemperature(device, NVML_TEMPERATURE_GPU, &degrees) == NVML_SUCCESS &&
                         degrees == 83 && nvmlDeviceGetPowerUsage(device, &milliwatts) == NVML_SUCCESS &&
                         milliwatts == 650500 &&
                         nvmlDeviceGetClockInfo(device, NVML_CLOCK_MEM, &clock) == NVML_SUCCESS && clock == 2619 &&
                         nvmlDeviceGetClockInfo(device, NVML_CLOCK_SM, &clock) == NVML_ERROR_NOT_SUPPORTED &&
                         nvmlDeviceGetCurrentClocksEventReasons(device, &reasons) == NVML_SUCCESS && reasons == 9 &&
                         nvmlDeviceGetMemoryInfo_v2(device, &memory) == NVML_SUCCESS && memory.used == 1000 &&
                         nvmlDeviceGetComputeRunningProcesses(device, &count, nullptr) ==
                             NVML_ERROR_INSUFFICIENT_SIZE &&
                         count == 2;
                });
}

TEST(CudasimSettings, ASensorThatIsNoneIsNamed) {
  for (const char *item : {"heat=3", "temperature", "temperature=", "temperature=-1", "temperature=8.5", "power=x",
                           "utilization=101", "slowdown=", "slowdown=thermal+hot"}) {
    with_settings({{"AIOS_CUDASIM_SENSORS", item}}, [] {
      std::string quoted = std::string("AIOS_CUDASIM_SENSORS has \"") + std::getenv("AIOS_CUDASIM_SENSORS") + "\"";
      return nvmlInit() == NVML_ERROR_INVALID_ARGUMENT &&
             std::strstr(aios_cudasim_last_report(), quoted.c_str()) != nullptr;
    });
  }
}

TEST(CudasimSettings, ALostDeviceIsLostToItsSensors) {
  with_settings({{"AIOS_CUDASIM_FAULTS", "lost=1"}, {"AIOS_CUDASIM_SENSORS", "temperature=40"}}, [] {
    CUstream stream;
    unsigned degrees = 0;
    nvmlMemory_v2_t memory{};
    bool good = opened(&stream) && nvmlInit() == NVML_SUCCESS;
    nvmlDevice_t lost = device_at("0000:01:00.0"), other = device_at("0000:02:00.0");
    good = good && nvmlDeviceGetTemperature(lost, NVML_TEMPERATURE_GPU, &degrees) == NVML_SUCCESS && degrees == 40 &&
           launch(stream, "k", 1, 1, [] {}) == CUDA_SUCCESS &&
           cuStreamSynchronize(stream) == CUDA_ERROR_DEVICE_UNAVAILABLE;
    return good && nvmlDeviceGetTemperature(lost, NVML_TEMPERATURE_GPU, &degrees) == NVML_ERROR_GPU_IS_LOST &&
           nvmlDeviceGetMemoryInfo_v2(lost, &memory) == NVML_ERROR_GPU_IS_LOST &&
           nvmlDeviceGetTemperature(other, NVML_TEMPERATURE_GPU, &degrees) == NVML_SUCCESS;
  });
}

} // namespace

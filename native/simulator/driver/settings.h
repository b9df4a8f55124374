// What the environment asks of the simulated driver.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "sensors.h"

namespace aios::sim::driver {

/// AIOS_CUDASIM_FAULTS: a comma list of name=number. 0 is no fault.
struct Faults {
  std::uint64_t oom = 0;    ///< The Nth allocation of device memory fails.
  std::uint64_t lost = 0;   ///< The device is lost at the Nth launch.
  std::uint64_t launch = 0; ///< The Nth launch fails while it runs.
  std::uint64_t arch = 0;   ///< Compute capability, times ten, that the kernels were not compiled for.
  std::uint64_t driver = 0; ///< Version that the driver reports.
  std::uint64_t init = 0;   ///< What cuInit returns.
  std::uint64_t cupti = 0;  ///< What cuptiActivityEnable returns.
};

struct Settings {
  std::uint64_t seed = 1;       ///< AIOS_CUDASIM_SEED
  int devices = 2;              ///< AIOS_CUDASIM_DEVICES, 1 to 8
  std::size_t memory_bytes = 0; ///< AIOS_CUDASIM_MEMORY, of each device
  bool counters = false;        ///< AIOS_CUDASIM_COUNTERS: prints what kernels cost when the process ends.
  Faults faults;
  Sensors sensors;
};

/// Reads the environment; false, and a line in `problem` that names the variable, when a value is none.
bool read_settings(Settings &settings, std::string &problem);

} // namespace aios::sim::driver

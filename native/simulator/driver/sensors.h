// What the sensors of the simulated devices say, where the environment gives them a value.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace aios::sim::driver {

/// AIOS_CUDASIM_SENSORS: a comma list of name=value. What it leaves out, a device has no sensor for.
struct Sensors {
  std::optional<std::uint64_t> temperature;                     ///< Degrees Celsius.
  std::optional<std::uint64_t> power, power_limit;              ///< Milliwatts; the environment says watts.
  std::optional<std::uint64_t> sm_clock, sm_clock_max;          ///< MHz.
  std::optional<std::uint64_t> memory_clock, memory_clock_max;  ///< MHz.
  std::optional<std::uint64_t> utilization, memory_utilization; ///< Percent of the time.
  std::optional<std::uint64_t> ecc_errors;                      ///< Those that could not be corrected.
  std::optional<std::uint64_t> slowdown;                        ///< Bits of NVML.
  std::optional<std::uint64_t> other_processes, other_memory;   ///< That there are besides this one, and their bytes.
};

/// Reads the environment; false, and a line in `problem` that names the variable and the item, when a value is none.
bool read_sensors(Sensors &sensors, std::string &problem);

} // namespace aios::sim::driver

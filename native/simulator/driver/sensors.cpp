#include "sensors.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <string_view>

#include "../generated/nvml.h"

namespace aios::sim::driver {
namespace {

/// A sensor that is a number: `scale` leads from the unit of the environment to that of NVML.
struct Number {
  std::string_view name;
  std::optional<std::uint64_t> Sensors::*value;
  double scale = 1, most = 0xffffffff;
};

constexpr Number kNumbers[] = {
    {"temperature", &Sensors::temperature},
    {"power", &Sensors::power, 1000},
    {"power-limit", &Sensors::power_limit, 1000},
    {"sm-clock", &Sensors::sm_clock},
    {"sm-clock-max", &Sensors::sm_clock_max},
    {"memory-clock", &Sensors::memory_clock},
    {"memory-clock-max", &Sensors::memory_clock_max},
    {"utilization", &Sensors::utilization, 1, 100},
    {"memory-utilization", &Sensors::memory_utilization, 1, 100},
    {"ecc-errors", &Sensors::ecc_errors},
    {"other-processes", &Sensors::other_processes, 1, 1000},
    {"other-memory", &Sensors::other_memory, 1, 1e15},
};

struct Reason {
  std::string_view name;
  std::uint64_t bits;
};

constexpr Reason kReasons[] = {
    {"none", 0},
    {"idle", nvmlClocksEventReasonGpuIdle},
    {"application", nvmlClocksEventReasonApplicationsClocksSetting},
    {"power", nvmlClocksEventReasonSwPowerCap},
    {"thermal", nvmlClocksEventReasonSwThermalSlowdown},
    {"hardware", nvmlClocksThrottleReasonHwSlowdown},
    {"hardware-thermal", nvmlClocksThrottleReasonHwThermalSlowdown},
    {"power-brake", nvmlClocksThrottleReasonHwPowerBrakeSlowdown},
    {"sync-boost", nvmlClocksEventReasonSyncBoost},
    {"display", nvmlClocksEventReasonDisplayClockSetting},
};

/// The piece in front of a separator, which is taken away from the text with it.
std::string_view take(std::string_view &text, char separator) {
  std::string_view piece = text.substr(0, text.find(separator));
  text.remove_prefix(std::min(text.size(), piece.size() + 1));
  return piece;
}

bool read_value(const Number &number, std::string_view text, Sensors &sensors) {
  double value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  double scaled = std::round(value * number.scale);
  bool whole = number.scale != 1 || scaled == value;
  if (error != std::errc() || end != text.data() + text.size() || !whole || !(value >= 0) || scaled > number.most) {
    return false;
  }
  sensors.*number.value = static_cast<std::uint64_t>(scaled);
  return true;
}

bool read_slowdown(std::string_view text, Sensors &sensors) {
  std::uint64_t bits = 0;
  do {
    std::string_view name = take(text, '+');
    auto reason = std::find_if(std::begin(kReasons), std::end(kReasons),
                               [&](const Reason &candidate) { return candidate.name == name; });
    if (reason == std::end(kReasons)) {
      return false;
    }
    bits |= reason->bits;
  } while (!text.empty());
  sensors.slowdown = bits;
  return true;
}

/// What may stand on the left or, for the reasons of a slowdown, on the right.
template <class Entries> std::string names(const Entries &entries) {
  std::string text;
  for (const auto &entry : entries) {
    text += (text.empty() ? "" : ", ") + std::string(entry.name);
  }
  return text;
}

} // namespace

bool read_sensors(Sensors &sensors, std::string &problem) {
  const char *variable = std::getenv("AIOS_CUDASIM_SENSORS");
  std::string_view rest = variable == nullptr ? "" : variable;
  while (!rest.empty()) {
    std::string_view entry = take(rest, ','), value = entry, name = take(value, '=');
    auto number = std::find_if(std::begin(kNumbers), std::end(kNumbers),
                               [&](const Number &candidate) { return candidate.name == name; });
    if (name == "slowdown" ? read_slowdown(value, sensors)
                           : number != std::end(kNumbers) && read_value(*number, value, sensors)) {
      continue;
    }
    problem = "AIOS_CUDASIM_SENSORS has \"" + std::string(entry) + "\"; give it a comma list of name=number with " +
              names(kNumbers) + ", and slowdown= with " + names(kReasons) + " joined by +";
    return false;
  }
  return true;
}

} // namespace aios::sim::driver

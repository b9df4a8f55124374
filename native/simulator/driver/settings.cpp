#include "settings.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>
#include <unistd.h>
#include <utility>

namespace aios::sim::driver {
namespace {

constexpr std::size_t kMostMemory = std::size_t{8} << 30;

bool parse(std::string_view text, std::uint64_t &value) {
  if (text.empty() || text.size() > 18) {
    return false;
  }
  value = 0;
  for (char c : text) {
    if (c < '0' || c > '9') {
      return false;
    }
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return true;
}

bool read_number(const char *name, std::uint64_t least, std::uint64_t most, std::uint64_t &value,
                 std::string &problem) {
  const char *text = std::getenv(name);
  if (text == nullptr || *text == '\0') {
    return true;
  }
  if (parse(text, value) && value >= least && value <= most) {
    return true;
  }
  problem = std::string(name) + " is \"" + text + "\"; give it a number from " + std::to_string(least) + " to " +
            std::to_string(most);
  return false;
}

bool read_faults(Faults &faults, std::string &problem) {
  const std::pair<std::string_view, std::uint64_t *> known[] = {
      {"oom", &faults.oom},       {"lost", &faults.lost}, {"launch", &faults.launch}, {"arch", &faults.arch},
      {"driver", &faults.driver}, {"init", &faults.init}, {"cupti", &faults.cupti},
  };
  const char *variable = std::getenv("AIOS_CUDASIM_FAULTS");
  std::string_view rest = variable == nullptr ? "" : variable;
  while (!rest.empty()) {
    std::string_view entry = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), entry.size() + 1));
    std::size_t sign = entry.find('=');
    auto fault = std::find_if(std::begin(known), std::end(known),
                              [&](const auto &candidate) { return candidate.first == entry.substr(0, sign); });
    if (sign == std::string_view::npos || fault == std::end(known) || !parse(entry.substr(sign + 1), *fault->second)) {
      problem = "AIOS_CUDASIM_FAULTS has \"" + std::string(entry) +
                "\"; give it a comma list of oom=N, lost=N, launch=N, arch=N, driver=N, init=N and cupti=N";
      return false;
    }
  }
  return true;
}

} // namespace

bool read_settings(Settings &settings, std::string &problem) {
  std::uint64_t machine =
      static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  std::uint64_t devices = static_cast<std::uint64_t>(settings.devices);
  std::uint64_t counters = 0;
  std::uint64_t memory = std::min<std::uint64_t>(kMostMemory, machine / 2);
  bool good = read_number("AIOS_CUDASIM_SEED", 0, ~std::uint64_t{0} >> 1, settings.seed, problem) &&
              read_number("AIOS_CUDASIM_DEVICES", 1, 8, devices, problem) &&
              read_number("AIOS_CUDASIM_MEMORY", std::size_t{1} << 20, std::size_t{1} << 40, memory, problem) &&
              read_number("AIOS_CUDASIM_COUNTERS", 0, 1, counters, problem) && read_faults(settings.faults, problem) &&
              read_sensors(settings.sensors, problem);
  settings.devices = static_cast<int>(devices);
  settings.counters = counters != 0;
  settings.memory_bytes = static_cast<std::size_t>(memory);
  return good;
}

} // namespace aios::sim::driver

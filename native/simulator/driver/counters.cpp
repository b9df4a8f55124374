// The table of what kernels have cost.
#include "counters.h"

#include <cinttypes>
#include <cstdio>

#include "cudasim.h"
#include "state.h"

namespace aios::sim::driver {

std::string cost_table() {
  Driver &driver = Driver::get();
  Lock lock(driver.mutex);
  if (!driver.settings.counters) {
    return {};
  }
  std::string text = "launches     blocks   barriers  conflicts bytes loaded bytes stored  kernel\n";
  for (const auto &[name, cost] : driver.costs) {
    char numbers[160];
    std::snprintf(numbers, sizeof numbers,
                  "%8" PRIu64 " %10" PRIu64 " %10" PRIu64 " %10" PRIu64 " %12" PRIu64 " %12" PRIu64 "  ", cost.launches,
                  cost.blocks, cost.counters.barriers, cost.counters.bank_conflicts, cost.counters.bytes_loaded,
                  cost.counters.bytes_stored);
    text.append(numbers).append(name).append("\n");
  }
  return text;
}

} // namespace aios::sim::driver

const char *aios_cudasim_counters() {
  static thread_local std::string text;
  text = aios::sim::driver::cost_table();
  return text.c_str();
}

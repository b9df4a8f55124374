// The table of what kernels have cost.
#include "counters.h"

#include <cinttypes>
#include <cstdio>

#include "cudasim.h"
#include "state.h"

using namespace aios::sim::driver;

const char *aios_cudasim_counters() {
  static thread_local std::string text;
  text.clear();
  Driver &driver = Driver::get();
  Lock lock(driver.mutex);
  if (!driver.settings.counters) {
    return text.c_str();
  }
  text = "launches     blocks   barriers  conflicts bytes loaded bytes stored  kernel\n";
  for (const auto &[name, cost] : driver.costs) {
    char numbers[160];
    std::snprintf(numbers, sizeof numbers,
                  "%8" PRIu64 " %10" PRIu64 " %10" PRIu64 " %10" PRIu64 " %12" PRIu64 " %12" PRIu64 "  ", cost.launches,
                  cost.blocks, cost.counters.barriers, cost.counters.bank_conflicts, cost.counters.bytes_loaded,
                  cost.counters.bytes_stored);
    text.append(numbers).append(name).append("\n");
  }
  return text.c_str();
}

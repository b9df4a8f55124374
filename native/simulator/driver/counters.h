// What kernels have cost, for AIOS_CUDASIM_COUNTERS.
#pragma once

#include <map>
#include <string>

#include "../executor/grid.h"

namespace aios::sim::driver {

/// All launches of the kernels of one name.
struct KernelCost {
  std::uint64_t launches = 0, blocks = 0;
  Counters counters;
};

/// By the kernels' names.
using KernelCosts = std::map<std::string, KernelCost>;

/// A line of column names and a line for each kernel; empty unless the settings ask for counters.
std::string cost_table();

} // namespace aios::sim::driver

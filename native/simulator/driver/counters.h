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

} // namespace aios::sim::driver

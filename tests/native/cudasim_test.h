// Support of the simulator's tests: grids run directly, without a driver.
#pragma once

#include <gtest/gtest.h>

#include "kernels/cuda/ptx.cuh"

namespace cudasim_test {

using namespace aios;
using cuda::Shared;
using sim::Dim3;
using sim::Fault;
using sim::Outcome;

/// Seeds that every kernel is run with; a planted bug must be found with each. The sanitizers look at the simulator,
/// not at the schedules, and are slow.
#if defined(__SANITIZE_ADDRESS__)
constexpr uint64_t kSeeds = 5;
#elif defined(__SANITIZE_THREAD__)
constexpr uint64_t kSeeds = 2;
#else
constexpr uint64_t kSeeds = 20;
#endif

template <class... P>
Outcome run(uint64_t seed, Dim3 grid, Dim3 block, size_t shared_bytes, void (*kernel)(P...),
            std::type_identity_t<P>... arguments) {
  return sim::run_grid(sim::Launch{.name = "kernel",
                                   .grid = grid,
                                   .block = block,
                                   .cluster = Dim3(1, 1, 1),
                                   .shared_bytes = shared_bytes,
                                   .body = [=] { kernel(arguments...); },
                                   .seed = seed});
}

} // namespace cudasim_test

// What kernels with planted mistakes have in common. AT(n) marks the lines that a report names.
#pragma once

#include "cudasim_test.h"
#include "native/simulator/executor/report.h"

namespace cudasim_test {

using namespace cuda::ptx;

inline sim::Site marked[2];
#define AT(n) marked[n] = sim::Site::current()

/// What a kernel works on: floats in global memory, 1024 of them, aligned to 128.
struct Work {
  bool planted;
  float *data;
};

} // namespace cudasim_test

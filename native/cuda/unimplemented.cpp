// What the library answers to a function of aios_kernels.h that no file of kernels/cuda defines: that there is no
// kernel. The definitions are weak, so that a kernel takes the place of its own simply by being there.
#include <tuple>

#include "common/checks.h"
#include "common/generated/functions.g.h"

#define AIOS_DEFINE(result, name, parameters, arguments)                                                               \
  [[gnu::weak]] result name parameters {                                                                               \
    static_cast<void>(std::forward_as_tuple arguments);                                                                \
    return aios::missing<result>(#name, "CUDA");                                                                       \
  }
AIOS_KERNELS_FUNCTIONS(AIOS_DEFINE)

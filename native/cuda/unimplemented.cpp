// What the library answers to a function of aios_kernels.h that no file of kernels/cuda defines: that there is no kernel.
// The definitions are weak, so that a kernel takes the place of its own simply by being there.
#include <cstdint>
#include <tuple>
#include <type_traits>

#include "aios_kernels.h"
#include "common/status.h"
#include "generated/functions.g.h"

namespace {

template <class Result> Result unimplemented(const char *call) {
  const aios_status status = aios::fail(AIOS_STATUS_UNIMPLEMENTED, "%s: there is no CUDA kernel for it", call);
  if constexpr (std::is_same_v<Result, aios_status>)
    return status;
  else
    return -static_cast<Result>(status);
}

} // namespace

#define AIOS_DEFINE(result, name, parameters, arguments)                                                               \
  [[gnu::weak]] result name parameters {                                                                               \
    static_cast<void>(std::forward_as_tuple arguments);                                                                \
    return unimplemented<result>(#name);                                                                               \
  }
AIOS_KERNELS_FUNCTIONS(AIOS_DEFINE)

// What the simulator exports beside the APIs it stands in for.
#pragma once

#include "aios.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Why cuInit failed, or what made a context fail: the executor's paragraph with the kernel, the place in its source
/// and the seed. Empty when nothing did. Valid until the calling thread's next call.
AIOS_API const char *aios_cudasim_last_report(void);

/// What the kernels that were launched so far have cost: a line of column names, and a line for each kernel. Empty
/// without AIOS_CUDASIM_COUNTERS=1. Valid until the calling thread's next call.
AIOS_API const char *aios_cudasim_counters(void);

#ifdef __cplusplus
}
#endif

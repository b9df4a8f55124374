// A library that produces and consumes tensors, for tests: see peer.c.
#ifndef AIOS_TESTS_DLPACK_PEER_H
#define AIOS_TESTS_DLPACK_PEER_H

#include "aios.h"
#include "aios_dlpack.h"

#ifdef __cplusplus
extern "C" {
#endif

/// A tensor like `like`, over `bytes` zeroed bytes of its own. Its deleter counts `deletions` up and frees everything.
AIOS_API aios_dlpack_managed *peer_make(aios_dlpack_version version, aios_dlpack_flags flags,
                                        const aios_dlpack_tensor *like, int64_t bytes, int32_t *deletions);

/// The same in the form without a version.
AIOS_API aios_dlpack_legacy *peer_make_legacy(const aios_dlpack_tensor *like, int64_t bytes, int32_t *deletions);

/// Sum of the elements, visited by index as shape and strides say; NaN for a type that it does not know.
AIOS_API double peer_sum(const aios_dlpack_tensor *tensor);

/// Writes `value` to every element of a float32 tensor.
AIOS_API void peer_fill(const aios_dlpack_tensor *tensor, float value);

/// Gives a tensor back on a thread of its own, and waits for it.
AIOS_API void peer_release_elsewhere(aios_dlpack_managed *managed);

#ifdef __cplusplus
}
#endif

#endif

// Tensor maps, as the driver encodes them.
#include "../instructions/tensor_map.h"
#include "api.h"

using namespace aios::sim::driver;

CUresult cuTensorMapEncodeTiled(CUtensorMap *map, CUtensorMapDataType type, cuuint32_t rank, void *address,
                                const cuuint64_t *extents, const cuuint64_t *strides, const cuuint32_t *box,
                                const cuuint32_t *element_strides, CUtensorMapInterleave interleave,
                                CUtensorMapSwizzle swizzle, CUtensorMapL2promotion promotion,
                                CUtensorMapFloatOOBfill fill) {
  return with_driver([&](Driver &driver, Lock &) {
    aios::sim::TensorMapSpec spec = {};
    spec.type = static_cast<std::uint32_t>(type);
    spec.rank = rank;
    spec.address = address;
    spec.extents = extents;
    spec.strides = strides;
    spec.box = box;
    spec.element_strides = element_strides;
    spec.interleave = static_cast<std::uint32_t>(interleave);
    spec.swizzle = static_cast<std::uint32_t>(swizzle);
    spec.promotion = static_cast<std::uint32_t>(promotion);
    spec.fill = static_cast<std::uint32_t>(fill);
    driver.problem = aios::sim::encode_tensor_map(map, spec);
    return driver.problem.empty() ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
  });
}

// 8-bit floats: not part of sm_80.
#include "mma.cuh"

namespace golden {

void add_mma_cases_sm90(Family &family) {
  add_mma<Element::e4m3>(family, 89);
  add_mma<Element::e5m2>(family, 89);
}

} // namespace golden

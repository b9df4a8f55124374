// 8-bit floats: not part of sm_80.
#include "conversions.cuh"

namespace golden {

void add_conversion_cases_sm90(Family &family) {
  add_conversions<Element::e4m3>(family, 89);
  add_conversions<Element::e5m2>(family, 89);
}

} // namespace golden

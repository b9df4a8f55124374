#include "mma.cuh"

namespace golden {

void add_mma_cases(Family &family) {
  add_mma<Element::bf16>(family, 80);
  add_mma<Element::f16>(family, 80);
  add_mma<Element::tf32>(family, 80);
  add_mma<Element::s8>(family, 80);
}

} // namespace golden

// The exported functions of aios_kernels.h. Every kernel is compiled once per instruction set; which one an exported
// function calls is settled when the library is loaded.
#include "aios_kernels.h"

#include "../common/checks.h"
#include "../common/generated/functions.g.h"
#include "command.h"
#include "isa.h"

namespace aios {

struct Kernels {
#define AIOS_KERNEL(result, name, parameters, arguments) result(*name) parameters;
  AIOS_KERNELS_FUNCTIONS(AIOS_KERNEL)
#undef AIOS_KERNEL
};

// The references are weak: a kernel that a set lacks is null.
#define AIOS_DECLARE(result, name, parameters, arguments) [[gnu::weak]] result name parameters;
#define AIOS_NAME(result, name, parameters, arguments) name,
#define AIOS_SET(isa, parent)                                                                                          \
  namespace isa {                                                                                                      \
  AIOS_KERNELS_FUNCTIONS(AIOS_DECLARE)                                                                                 \
  static constexpr Kernels kernels = {AIOS_KERNELS_FUNCTIONS(AIOS_NAME)};                                              \
  }
AIOS_CPU_SETS(AIOS_SET)
#undef AIOS_SET
#undef AIOS_NAME
#undef AIOS_DECLARE

namespace {

// In the order of Isa.
constexpr const Kernels *kernel_sets[] = {
#define AIOS_SET(isa, parent) &isa::kernels,
    AIOS_CPU_SETS(AIOS_SET)
#undef AIOS_SET
};

/// The kernels of the active set, and where it has none those of the next set along the chain of parents.
Kernels resolve() {
  cpu::Isa isa = cpu::active_isa();
  Kernels chosen = *kernel_sets[static_cast<int>(isa)];
  while (cpu::isa_parent(isa) != isa) {
    isa = cpu::isa_parent(isa);
    const Kernels &next = *kernel_sets[static_cast<int>(isa)];
#define AIOS_KERNEL(result, name, parameters, arguments)                                                               \
  if (chosen.name == nullptr)                                                                                          \
    chosen.name = next.name;
    AIOS_KERNELS_FUNCTIONS(AIOS_KERNEL)
#undef AIOS_KERNEL
  }
  return chosen;
}

const Kernels kernels = resolve();

} // namespace
} // namespace aios

#define AIOS_KERNEL(result, name, parameters, arguments)                                                               \
  extern "C" result name parameters {                                                                                  \
    if (aios::kernels.name == nullptr)                                                                                 \
      return aios::missing<result>(#name, aios::cpu::isa_name(aios::cpu::active_isa()));                               \
    const aios::cpu::Naming naming(#name);                                                                             \
    return aios::kernels.name arguments;                                                                               \
  }
AIOS_KERNELS_FUNCTIONS(AIOS_KERNEL)
#undef AIOS_KERNEL

#include "isa.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace aios::cpu {
namespace {

bool supported(Isa isa) {
#if defined(__x86_64__)
  // The dispatch table may be filled by a static initializer, before the compiler's own has run.
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
  switch (isa) {
  case Isa::Avx512:
    return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  case Isa::Avx2:
    return avx2; // F16C has no name of its own for older compilers; every processor with AVX2 has it.
  case Isa::Portable:
    return true;
  }
#endif
  return isa == Isa::Portable;
}

struct Choice {
  Isa isa = Isa::Portable;
  char problem[160] = "";

  Choice() {
    constexpr Isa all[] = {Isa::Avx512, Isa::Avx2, Isa::Portable};
    for (Isa candidate : all)
      if (supported(candidate)) {
        isa = candidate;
        break;
      }
    const char *wish = std::getenv("AIOS_CPU_ISA");
    if (wish == nullptr || wish[0] == '\0')
      return;
    for (Isa candidate : all) {
      if (std::strcmp(wish, isa_name(candidate)) != 0)
        continue;
      if (supported(candidate))
        isa = candidate;
      else
        std::snprintf(problem, sizeof problem, "AIOS_CPU_ISA=%s: this processor lacks it; unset it or use %s", wish,
                      isa_name(isa));
      return;
    }
    std::snprintf(problem, sizeof problem, "AIOS_CPU_ISA=%.40s: use avx512, avx2 or portable", wish);
  }
};

const Choice &choice() {
  static const Choice instance;
  return instance;
}

} // namespace

Isa active_isa() {
  return choice().isa;
}

const char *isa_name(Isa isa) {
  switch (isa) {
  case Isa::Avx512:
    return "avx512";
  case Isa::Avx2:
    return "avx2";
  case Isa::Portable:
    break;
  }
  return "portable";
}

const char *isa_problem() {
  return choice().problem[0] == '\0' ? nullptr : choice().problem;
}

} // namespace aios::cpu

#include "isa.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace aios::cpu {
namespace {

// Whether the processor and the system support a set: its own instructions here, those of its parent by `supported`.
#if defined(__x86_64__)
bool has_avx512bf16() {
  return __builtin_cpu_supports("avx512bf16");
}
bool has_avx512vnni() {
  return __builtin_cpu_supports("avx512vnni");
}
bool has_avx2() { // F16C has no name of its own for older compilers; every processor with AVX2 has it.
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
}
bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
bool has_avx2vnni() { // Nor has AVX-VNNI. It needs no state of the system beyond that of AVX2.
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0 && (eax >> 4 & 1) != 0;
}
#endif
#if defined(__aarch64__)
bool has_neon() { // a part of every aarch64
  return true;
}
#else
bool has_portable() {
  return true;
}
#endif

struct Set {
  const char *name;
  Isa isa, parent;
  bool (*has)();
};

constexpr Set sets[] = {
#define AIOS_SET(name, parent) {#name, Isa::name, Isa::parent, has_##name},
    AIOS_CPU_SETS(AIOS_SET)
#undef AIOS_SET
};

constexpr const Set &set_of(Isa isa) {
  return sets[static_cast<int>(isa)];
}

bool supported(const Set &set) {
  return set.has() && (set.parent == set.isa || supported(set_of(set.parent)));
}

struct Choice {
  Isa isa{};
  char problem[192] = "";

  Choice() {
#if defined(__x86_64__)
    // The dispatch table may be filled by a static initializer, before the compiler's own has run.
    __builtin_cpu_init();
#endif
    for (const Set &set : sets)
      if (supported(set)) {
        isa = set.isa;
        break;
      }
    const char *wish = std::getenv("AIOS_CPU_ISA");
    if (wish == nullptr || wish[0] == '\0')
      return;
    for (const Set &set : sets) {
      if (std::strcmp(wish, set.name) != 0)
        continue;
      if (supported(set))
        isa = set.isa;
      else
        std::snprintf(problem, sizeof problem, "AIOS_CPU_ISA=%s: this processor lacks it; unset it or use %s", wish,
                      isa_name(isa));
      return;
    }
    refuse(wish);
  }

private:
  void refuse(const char *wish) {
    auto length = static_cast<size_t>(std::snprintf(problem, sizeof problem, "AIOS_CPU_ISA=%.40s: use one of", wish));
    for (const Set &set : sets)
      length += static_cast<size_t>(std::snprintf(problem + length, sizeof problem - length, " %s", set.name));
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

Isa isa_parent(Isa isa) {
  return set_of(isa).parent;
}

const char *isa_name(Isa isa) {
  return set_of(isa).name;
}

const char *isa_problem() {
  return choice().problem[0] == '\0' ? nullptr : choice().problem;
}

} // namespace aios::cpu

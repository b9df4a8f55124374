// The instruction sets that the kernels are compiled for, and which of them this process uses.
#pragma once

/// SET(name, parent) for every set of this processor family, best first. A set that lacks a kernel takes the one of its
/// parent: the sets with dot-product instructions hold only the files of kernels/cpu/dot. The last one runs on every
/// processor of the family and is its own parent.
#if defined(__x86_64__)
#define AIOS_CPU_SETS(SET)                                                                                             \
  SET(avx512bf16, avx512vnni)                                                                                          \
  SET(avx512vnni, avx512)                                                                                              \
  SET(avx512, portable)                                                                                                \
  SET(avx2vnni, avx2)                                                                                                  \
  SET(avx2, portable)                                                                                                  \
  SET(portable, portable)
#elif defined(__aarch64__)
#define AIOS_CPU_SETS(SET) SET(neon, neon)
#else
#define AIOS_CPU_SETS(SET) SET(portable, portable)
#endif

namespace aios::cpu {

enum class Isa {
#define AIOS_SET(name, parent) name,
  AIOS_CPU_SETS(AIOS_SET)
#undef AIOS_SET
};

/// The best set the processor supports, or the one that AIOS_CPU_ISA named when the library was first used.
/// When that name is unusable this is the best set, and `isa_problem` says why.
Isa active_isa();

/// The set that gives what `isa` lacks; `isa` itself at the end of the chain.
Isa isa_parent(Isa isa);

/// The name as AIOS_CPU_ISA takes it.
const char *isa_name(Isa isa);

/// Null, or a line that says why the value of AIOS_CPU_ISA cannot be used.
const char *isa_problem();

} // namespace aios::cpu

// Which of the three builds of the kernels this process uses.
#pragma once

namespace aios::cpu {

enum class Isa { Avx512, Avx2, Portable };

/// The best set the processor supports, or the one that AIOS_CPU_ISA named when the library was first used.
/// When that name is unusable this is the best set, and `isa_problem` says why.
Isa active_isa();

/// "avx512", "avx2" or "portable".
const char *isa_name(Isa isa);

/// Null, or a line that says why the value of AIOS_CPU_ISA cannot be used.
const char *isa_problem();

} // namespace aios::cpu

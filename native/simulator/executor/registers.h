// The state of the processor's vector registers.
#pragma once

namespace aios::sim {

/// Clears the upper halves of the vector registers. A thread inherits those of the thread that made it, and .NET's code
/// leaves values in them. While they hold values, some processors of Intel need hundreds of cycles for every change
/// between SSE code, such as kernels, and AVX code, such as the C library's fmaf: training on the simulated GPU took 40
/// times as long in processes where that happened.
inline void clear_upper_registers() {
#if defined(__x86_64__)
  static const bool avx = __builtin_cpu_supports("avx");
  if (avx)
    asm volatile("vzeroupper" ::: "memory");
#endif
}

} // namespace aios::sim

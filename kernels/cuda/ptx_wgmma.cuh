// wgmma on the device: one instruction per number of columns, format and place of A.
#pragma once

#include "ptx_wgmma_registers.cuh"

namespace aios::cuda::ptx {

// The predicate says whether the accumulators count; P is the operand that holds it.
#define AIOS_WGMMA(SHAPE, REGISTERS, A, B, P, TAIL, OUTPUTS, ...)                                                      \
  asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, " P ", 0;\nwgmma.mma_async.sync.aligned." SHAPE " {" REGISTERS        \
               "}, " A ", " B ", p" TAIL ";\n}"                                                                        \
               : OUTPUTS                                                                                               \
               : __VA_ARGS__)

// A and B in shared memory, or A in registers, for one number of columns; I0 to I6 are the operands behind d.
#define AIOS_SS(COUNT, N, I0, I1, I2, I3, I4, I5, I6, K, TYPES, C, TAIL, ...)                                          \
  if constexpr (Count == COUNT)                                                                                        \
    AIOS_WGMMA("m64n" #N "k" K "." TYPES, AIOS_R##COUNT, I0, I1, I2, TAIL(I3, I4), AIOS_D##COUNT(C), "l"(a), "l"(b),   \
               "r"(static_cast<int>(accumulate))__VA_ARGS__);                                                          \
  else
#define AIOS_RS(COUNT, N, I0, I1, I2, I3, I4, I5, I6, K, TYPES, C, TAIL, ...)                                          \
  if constexpr (Count == COUNT)                                                                                        \
    AIOS_WGMMA("m64n" #N "k" K "." TYPES, AIOS_R##COUNT, "{" I0 "," I1 "," I2 "," I3 "}", I4, I5, TAIL(I6),            \
               AIOS_D##COUNT(C), "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b),                                   \
               "r"(static_cast<int>(accumulate))__VA_ARGS__);                                                          \
  else
#define AIOS_SS_COLUMNS(...)                                                                                           \
  AIOS_BY_COLUMNS(AIOS_SS, __VA_ARGS__) {}
#define AIOS_RS_COLUMNS(...)                                                                                           \
  AIOS_BY_COLUMNS(AIOS_RS, __VA_ARGS__) {}

// What follows the predicate: signs of both operands, and their transposition for 16-bit formats.
#define AIOS_TRANSPOSED_SS(A, B) ", 1, 1, " A ", " B
#define AIOS_TRANSPOSED_RS(B) ", 1, 1, " B
#define AIOS_SIGNS(...) ", 1, 1"
#define AIOS_NOTHING(...) ""

/// Before the first wgmma of a batch: registers written before may be read and replaced by it.
__device__ __forceinline__ void wgmma_fence() {
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}
__device__ __forceinline__ void wgmma_commit() {
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}
/// Waits until at most the `Newest` most recent groups are in flight.
template <unsigned Newest> __device__ __forceinline__ void wgmma_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(Newest) : "memory");
}

/// d = a·b (+ d): 64 rows, 2 × Count columns, 32 bytes along K; operands by matrix descriptors. Operands of 16 bits may
/// have their rows, instead of K, contiguous.
template <Element E, bool TransposedA = false, bool TransposedB = false, int Count>
__device__ __forceinline__ void wgmma(Accumulator<E> (&d)[Count], uint64_t a, uint64_t b, bool accumulate) {
  static_assert(has_columns<E>(2 * Count));
  static_assert(E == Element::bf16 || E == Element::f16 || (!TransposedA && !TransposedB));
  if constexpr (E == Element::bf16) {
    AIOS_SS_COLUMNS("16", "f32.bf16.bf16", "+f", AIOS_TRANSPOSED_SS, , "n"(int(TransposedA)), "n"(int(TransposedB)))
  } else if constexpr (E == Element::f16) {
    AIOS_SS_COLUMNS("16", "f32.f16.f16", "+f", AIOS_TRANSPOSED_SS, , "n"(int(TransposedA)), "n"(int(TransposedB)))
  } else if constexpr (E == Element::tf32) {
    AIOS_SS_COLUMNS("8", "f32.tf32.tf32", "+f", AIOS_SIGNS)
  } else if constexpr (E == Element::e4m3) {
    AIOS_SS_COLUMNS("32", "f32.e4m3.e4m3", "+f", AIOS_SIGNS)
  } else if constexpr (E == Element::e5m2) {
    AIOS_SS_COLUMNS("32", "f32.e5m2.e5m2", "+f", AIOS_SIGNS)
  } else {
    AIOS_SS_COLUMNS("32", "s32.s8.s8", "+r", AIOS_NOTHING)
  }
}
/// The same with A in registers, in the layout of mma_m16n8 for each warp's 16 rows.
template <Element E, bool TransposedB = false, int Count>
__device__ __forceinline__ void wgmma(Accumulator<E> (&d)[Count], const uint32_t (&a)[4], uint64_t b, bool accumulate) {
  static_assert(has_columns<E>(2 * Count));
  static_assert(E == Element::bf16 || E == Element::f16 || !TransposedB);
  if constexpr (E == Element::bf16) {
    AIOS_RS_COLUMNS("16", "f32.bf16.bf16", "+f", AIOS_TRANSPOSED_RS, , "n"(int(TransposedB)))
  } else if constexpr (E == Element::f16) {
    AIOS_RS_COLUMNS("16", "f32.f16.f16", "+f", AIOS_TRANSPOSED_RS, , "n"(int(TransposedB)))
  } else if constexpr (E == Element::tf32) {
    AIOS_RS_COLUMNS("8", "f32.tf32.tf32", "+f", AIOS_SIGNS)
  } else if constexpr (E == Element::e4m3) {
    AIOS_RS_COLUMNS("32", "f32.e4m3.e4m3", "+f", AIOS_SIGNS)
  } else if constexpr (E == Element::e5m2) {
    AIOS_RS_COLUMNS("32", "f32.e5m2.e5m2", "+f", AIOS_SIGNS)
  } else {
    AIOS_RS_COLUMNS("32", "s32.s8.s8", "+r", AIOS_NOTHING)
  }
}

#undef AIOS_WGMMA
#undef AIOS_SS
#undef AIOS_RS
#undef AIOS_SS_COLUMNS
#undef AIOS_RS_COLUMNS
#undef AIOS_TRANSPOSED_SS
#undef AIOS_TRANSPOSED_RS
#undef AIOS_SIGNS
#undef AIOS_NOTHING

} // namespace aios::cuda::ptx

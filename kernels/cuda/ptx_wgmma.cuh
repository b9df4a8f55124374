// wgmma on the device: one instruction per number of columns, format and place of A. An asm statement must name every
// register, so the lists of registers are put together from macros.
#pragma once

namespace aios::cuda::ptx {

// "%0" to "%31", and so on.
#define AIOS_R(T) "%" T "0,%" T "1,%" T "2,%" T "3,%" T "4,%" T "5,%" T "6,%" T "7,%" T "8,%" T "9,"
#define AIOS_R32 AIOS_R("") AIOS_R("1") AIOS_R("2") "%30,%31"
#define AIOS_R60 AIOS_R("") AIOS_R("1") AIOS_R("2") AIOS_R("3") AIOS_R("4") AIOS_R("5")
#define AIOS_R64 AIOS_R60 "%60,%61,%62,%63"
#define AIOS_R90 AIOS_R60 AIOS_R("6") AIOS_R("7") AIOS_R("8")
#define AIOS_R120 AIOS_R90 AIOS_R("9") AIOS_R("10") AIOS_R("11")
#define AIOS_R128 AIOS_R120 "%120,%121,%122,%123,%124,%125,%126,%127"
#define AIOS_D8(C, i) C(d[i]), C(d[i + 1]), C(d[i + 2]), C(d[i + 3]), C(d[i + 4]), C(d[i + 5]), C(d[i + 6]), C(d[i + 7])
#define AIOS_D32(C, i) AIOS_D8(C, i), AIOS_D8(C, i + 8), AIOS_D8(C, i + 16), AIOS_D8(C, i + 24)
#define AIOS_D64(C, i) AIOS_D32(C, i), AIOS_D32(C, i + 32)
#define AIOS_D128(C, i) AIOS_D64(C, i), AIOS_D64(C, i + 64)

// The predicate says whether the accumulators count; P is the operand that holds it.
#define AIOS_WGMMA(SHAPE, REGISTERS, A, B, P, TAIL, OUTPUTS, ...)                                                      \
  asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, " P ", 0;\nwgmma.mma_async.sync.aligned." SHAPE " {" REGISTERS        \
               "}, " A ", " B ", p" TAIL ";\n}"                                                                        \
               : OUTPUTS                                                                                               \
               : __VA_ARGS__)

// A and B in shared memory, or A in registers, for one number of columns.
#define AIOS_SS(N, COUNT, I0, I1, I2, I3, I4, K, TYPES, C, TAIL, ...)                                                  \
  AIOS_WGMMA("m64n" N "k" K "." TYPES, AIOS_R##COUNT, I0, I1, I2, TAIL(I3, I4), AIOS_D##COUNT(C, 0), "l"(a), "l"(b),   \
             "r"(static_cast<int>(accumulate))__VA_ARGS__)
#define AIOS_RS(N, COUNT, A, I4, I5, I6, K, TYPES, C, TAIL, ...)                                                       \
  AIOS_WGMMA("m64n" N "k" K "." TYPES, AIOS_R##COUNT, A, I4, I5, TAIL(I6), AIOS_D##COUNT(C, 0), "r"(a[0]), "r"(a[1]),  \
             "r"(a[2]), "r"(a[3]), "l"(b), "r"(static_cast<int>(accumulate))__VA_ARGS__)
#define AIOS_SS_COLUMNS(...)                                                                                           \
  if constexpr (Count == 32)                                                                                           \
    AIOS_SS("64", 32, "%32", "%33", "%34", "%35", "%36", __VA_ARGS__);                                                 \
  else if constexpr (Count == 64)                                                                                      \
    AIOS_SS("128", 64, "%64", "%65", "%66", "%67", "%68", __VA_ARGS__);                                                \
  else                                                                                                                 \
    AIOS_SS("256", 128, "%128", "%129", "%130", "%131", "%132", __VA_ARGS__)
#define AIOS_RS_COLUMNS(...)                                                                                           \
  if constexpr (Count == 32)                                                                                           \
    AIOS_RS("64", 32, "{%32,%33,%34,%35}", "%36", "%37", "%38", __VA_ARGS__);                                          \
  else if constexpr (Count == 64)                                                                                      \
    AIOS_RS("128", 64, "{%64,%65,%66,%67}", "%68", "%69", "%70", __VA_ARGS__);                                         \
  else                                                                                                                 \
    AIOS_RS("256", 128, "{%128,%129,%130,%131}", "%132", "%133", "%134", __VA_ARGS__)

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

/// d = a·b (+ d): 64 rows, 2 × Count columns (64, 128, 256), 32 bytes along K; operands by matrix descriptors. Operands
/// of 16 bits may have their rows, instead of K, contiguous.
template <Element E, bool TransposedA = false, bool TransposedB = false, int Count>
__device__ __forceinline__ void wgmma(Accumulator<E> (&d)[Count], uint64_t a, uint64_t b, bool accumulate) {
  static_assert(Count == 32 || Count == 64 || Count == 128);
  static_assert(E == Element::bf16 || E == Element::f16 || (!TransposedA && !TransposedB));
  if constexpr (E == Element::bf16) {
    AIOS_SS_COLUMNS("16", "f32.bf16.bf16", "+f", AIOS_TRANSPOSED_SS, , "n"(int(TransposedA)), "n"(int(TransposedB)));
  } else if constexpr (E == Element::f16) {
    AIOS_SS_COLUMNS("16", "f32.f16.f16", "+f", AIOS_TRANSPOSED_SS, , "n"(int(TransposedA)), "n"(int(TransposedB)));
  } else if constexpr (E == Element::tf32) {
    AIOS_SS_COLUMNS("8", "f32.tf32.tf32", "+f", AIOS_SIGNS);
  } else if constexpr (E == Element::e4m3) {
    AIOS_SS_COLUMNS("32", "f32.e4m3.e4m3", "+f", AIOS_SIGNS);
  } else if constexpr (E == Element::e5m2) {
    AIOS_SS_COLUMNS("32", "f32.e5m2.e5m2", "+f", AIOS_SIGNS);
  } else {
    AIOS_SS_COLUMNS("32", "s32.s8.s8", "+r", AIOS_NOTHING);
  }
}
/// The same with A in registers, in the layout of mma_m16n8 for each warp's 16 rows.
template <Element E, bool TransposedB = false, int Count>
__device__ __forceinline__ void wgmma(Accumulator<E> (&d)[Count], const uint32_t (&a)[4], uint64_t b, bool accumulate) {
  static_assert(Count == 32 || Count == 64 || Count == 128);
  static_assert(E == Element::bf16 || E == Element::f16 || !TransposedB);
  if constexpr (E == Element::bf16) {
    AIOS_RS_COLUMNS("16", "f32.bf16.bf16", "+f", AIOS_TRANSPOSED_RS, , "n"(int(TransposedB)));
  } else if constexpr (E == Element::f16) {
    AIOS_RS_COLUMNS("16", "f32.f16.f16", "+f", AIOS_TRANSPOSED_RS, , "n"(int(TransposedB)));
  } else if constexpr (E == Element::tf32) {
    AIOS_RS_COLUMNS("8", "f32.tf32.tf32", "+f", AIOS_SIGNS);
  } else if constexpr (E == Element::e4m3) {
    AIOS_RS_COLUMNS("32", "f32.e4m3.e4m3", "+f", AIOS_SIGNS);
  } else if constexpr (E == Element::e5m2) {
    AIOS_RS_COLUMNS("32", "f32.e5m2.e5m2", "+f", AIOS_SIGNS);
  } else {
    AIOS_RS_COLUMNS("32", "s32.s8.s8", "+r", AIOS_NOTHING);
  }
}

#undef AIOS_R
#undef AIOS_R32
#undef AIOS_R60
#undef AIOS_R64
#undef AIOS_R90
#undef AIOS_R120
#undef AIOS_R128
#undef AIOS_D8
#undef AIOS_D32
#undef AIOS_D64
#undef AIOS_D128
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

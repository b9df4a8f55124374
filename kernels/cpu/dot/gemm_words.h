// How the element types of GEMM are multiplied. A family packs kGroup consecutive elements of k into a word of 32 bits
// and multiplies W words at a time, so that packing, tiles and blocking are the same for every type:
//
//   family       element         word                       multiplied by
//   Floats<T>    float, bf16     the value as binary32      fused multiply-add
//   Bf16Pairs    bf16            two of them                dot_bf16
//   BytePairs    int8_t          two int16_t                dot_i16
//   ByteQuads    int8_t          four bytes, in A + 128     dot_bytes; the sums start at -128 times the sum of B
#pragma once

#include "dot.h"

namespace aios::AIOS_ISA {

template <class T> struct Floats {
  using In = T;
  using Word = float;
  using Vector = VF;
  using Sum = VF;
  static constexpr int kGroup = 1;
  static constexpr bool kOffset = false;

  template <class B> AIOS_INLINE VF vector(const B *p) { return load(p, Full{}); }
  AIOS_INLINE VF splat(float x) { return set1(x); }
  AIOS_INLINE VF dot(VF sum, VF a, VF b) { return fma(a, b, sum); }

  AIOS_INLINE uint32_t word(const T *p, int64_t, int) { return bits_of(to_float(*p)); }
  AIOS_INLINE VU row_words(const T *p) { return (VU)load(p, Full{}); }
  template <class Lanes> AIOS_INLINE VU column_words(const T *p, int64_t, int, Lanes lanes) {
    return (VU)load(p, lanes);
  }
};

/// What the families share whose words are not numbers.
template <class T, class S, int Group> struct Grouped {
  using In = T;
  using Word = uint32_t;
  using Vector = VU;
  using Sum = S;
  static constexpr int kGroup = Group;
  static constexpr bool kOffset = false;

  AIOS_INLINE VU vector(const uint32_t *p) { return load_words(p, Full{}); }
  AIOS_INLINE VU splat(uint32_t x) { return VU{} + x; }
};

struct Bf16Pairs : Grouped<bf16, VF, 2> {
  AIOS_INLINE VF dot(VF sum, VU a, VU b) { return dot_bf16(sum, a, b); }

  /// One word of the elements p[0], p[step] ..., of which `count` exist.
  AIOS_INLINE uint32_t word(const bf16 *p, int64_t step, int count) {
    return p[0].bits | (count > 1 ? static_cast<uint32_t>(p[step].bits) << 16 : 0);
  }

  /// W words of W * kGroup neighbours.
  AIOS_INLINE VU row_words(const bf16 *p) {
    VU x;
    memcpy(&x, p, sizeof x);
    return x;
  }

  /// A word for each lane, out of `count` rows of memory.
  template <class Lanes> AIOS_INLINE VU column_words(const bf16 *p, int64_t pitch, int count, Lanes lanes) {
    VU x = (VU)load(p, lanes) >> 16;
    if (count > 1)
      x |= (VU)load(p + pitch, lanes);
    return x;
  }
};

struct BytePairs : Grouped<int8_t, VI, 2> {
  AIOS_INLINE VI dot(VI sum, VU a, VU b) { return dot_i16(sum, a, b); }

  AIOS_INLINE uint32_t word(const int8_t *p, int64_t step, int count) {
    return static_cast<uint16_t>(p[0]) | (count > 1 ? static_cast<uint32_t>(p[step]) << 16 : 0);
  }
  AIOS_INLINE VU row_words(const int8_t *p) {
    typedef int8_t Bytes __attribute__((vector_size(2 * W)));
    typedef int16_t Halves __attribute__((vector_size(4 * W)));
    Bytes bytes;
    memcpy(&bytes, p, sizeof bytes);
    return (VU) __builtin_convertvector(bytes, Halves);
  }
  template <class Lanes> AIOS_INLINE VU column_words(const int8_t *p, int64_t pitch, int count, Lanes lanes) {
    VU x = (VU)load_bytes(p, lanes) & 0xffffu;
    if (count > 1)
      x |= (VU)load_bytes(p + pitch, lanes) << 16;
    return x;
  }
};

struct ByteQuads : Grouped<int8_t, VI, 4> {
  static constexpr bool kOffset = true;
  AIOS_INLINE VI dot(VI sum, VU a, VU b) { return dot_bytes(sum, a, b); }

  AIOS_INLINE uint32_t word(const int8_t *p, int64_t step, int count) {
    uint32_t x = 0;
    for (int i = 0; i < count; i++)
      x |= static_cast<uint32_t>(static_cast<uint8_t>(p[i * step])) << 8 * i;
    return x;
  }
  AIOS_INLINE VU row_words(const int8_t *p) {
    VU x;
    memcpy(&x, p, sizeof x);
    return x;
  }
  template <class Lanes> AIOS_INLINE VU column_words(const int8_t *p, int64_t pitch, int count, Lanes lanes) {
    const uint8_t *bytes = reinterpret_cast<const uint8_t *>(p);
    VU x = load_bytes(bytes, lanes);
    for (int i = 1; i < count; i++)
      x |= load_bytes(bytes + i * pitch, lanes) << 8 * i;
    return x;
  }
};

/// The fastest families of this instruction set.
template <bool Instruction> struct Fastest {
  using Bf16 = Bf16Pairs;
  using I8 = ByteQuads;
};
template <> struct Fastest<false> {
  using Bf16 = Floats<bf16>;
  using I8 = BytePairs;
};
using Bf16Family = Fastest<kDotBf16>::Bf16;
using I8Family = Fastest<kDotBytes>::I8;

} // namespace aios::AIOS_ISA

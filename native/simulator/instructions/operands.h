// Elements of matrix operands as numbers that can be multiplied.
#pragma once

#include <cmath>
#include <cstdint>

#include "formats.h"
#include "mma.h"

namespace aios::sim {

/// Element `index` of a 32-bit register.
template <class Number> Number element(Operand type, uint32_t bits, unsigned index);

template <> inline int32_t element(Operand, uint32_t bits, unsigned index) {
  return static_cast<int8_t>(bits >> 8 * index & 0xFF);
}
template <> inline float element(Operand type, uint32_t bits, unsigned index) {
  switch (type) {
  case Operand::bf16:
    return Bf16::decode(bits >> 16 * index & 0xFFFF);
  case Operand::f16:
    return F16::decode(bits >> 16 * index & 0xFFFF);
  case Operand::tf32:
    return Tf32::decode(bits);
  case Operand::e4m3:
    return E4m3::decode(bits >> 8 * index & 0xFF);
  default:
    return E5m2::decode(bits >> 8 * index & 0xFF);
  }
}

inline float accumulate(float sum, float a, float b) {
  return sum + a * b;
}
/// Wraps around, as the hardware does without .satfinite.
inline int32_t accumulate(int32_t sum, int32_t a, int32_t b) {
  return static_cast<int32_t>(static_cast<uint32_t>(sum) + static_cast<uint32_t>(a * b));
}

} // namespace aios::sim

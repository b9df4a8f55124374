// Matrix operands: numbers of a format, packed into 32-bit words, and how exactly their products are known.
#pragma once

#include "golden.cuh"
#include "native/simulator/instructions/formats.h"

namespace golden {

/// What an operand holds. All but `random` have products whose sums are the same bits in any order and with any number
/// of bits that a tensor core keeps, so their results are compared bit for bit.
enum class Data {
  integers,   ///< small integers, so that every sum is exact
  random,     ///< from -1 to 1: compared with a tolerance
  subnormals, ///< A: numbers without a leading one; B: a power of two
  specials,   ///< small integers, one in sixteen an infinity or NaN
  low_bits,   ///< integers with noise in the bits that the format does not have (tf32)
};

constexpr const char *kDataNames[] = {"integers", "random", "subnormals", "specials", "low_bits"};
constexpr const char *kElementNames[] = {"bf16", "f16", "tf32", "e4m3", "e5m2", "s8"};
constexpr unsigned kBits[] = {16, 16, 32, 8, 8, 8};

inline std::string name_of(Element element) {
  return kElementNames[static_cast<int>(element)];
}
inline std::string name_of(Data data) {
  return kDataNames[static_cast<int>(data)];
}

/// Elements along K of one instruction.
inline int depth(Element element) {
  return static_cast<int>(256 / kBits[static_cast<int>(element)]);
}

inline uint32_t encode(Element element, float value) {
  using namespace aios::sim;
  switch (element) {
  case Element::bf16:
    return Bf16::encode(value);
  case Element::f16:
    return F16::encode(value);
  case Element::tf32:
    return Tf32::encode(value);
  case Element::e4m3:
    return E4m3::encode(value);
  case Element::e5m2:
    return E5m2::encode(value);
  default:
    return static_cast<uint32_t>(static_cast<int>(value)) & 0xFF;
  }
}

/// How many mantissa bits the format has.
inline int mantissa_bits(Element element) {
  constexpr int bits[] = {7, 10, 10, 3, 2, 0};
  return bits[static_cast<int>(element)];
}

inline uint32_t special(Element element, Random &random) {
  constexpr float inf = __builtin_inff();
  bool finite_format = element == Element::e4m3; // which has NaN, but no infinity
  float choices[] = {inf, -inf, __builtin_nanf("")};
  uint32_t which = finite_format ? 2 : random.below(3);
  if (element == Element::e5m2 && which < 2)
    return which == 0 ? 0x7C : 0xFC; // a conversion would saturate
  return encode(element, choices[which]);
}

/// The bits of one element. `first` is true for A.
inline uint32_t draw(Element element, Data data, bool first, Random &random) {
  int range = element == Element::s8 ? 128 : element == Element::e4m3 || element == Element::e5m2 ? 2 : 8;
  uint32_t integer = encode(element, static_cast<float>(random.between(-range, range - (range == 128 ? 1 : 0))));
  switch (data) {
  case Data::random:
    return encode(element, random.unit());
  case Data::subnormals: {
    if (!first) // products are normal numbers of binary32
      return encode(element, mantissa_bits(element) > 3 && element != Element::f16 ? 0x1p20f : 4.0f);
    uint32_t sign = random.below(2), bits = kBits[static_cast<int>(element)];
    int unused = element == Element::tf32 ? 13 : 0;
    uint32_t mantissa = random.below(1u << mantissa_bits(element));
    return sign << (bits - 1) | mantissa << unused;
  }
  case Data::specials:
    return element != Element::s8 && random.below(16) == 0 ? special(element, random) : integer;
  case Data::low_bits:
    return integer | random.below(1u << 13);
  default:
    return integer;
  }
}

/// `count` words of packed elements.
inline std::vector<uint32_t> operand(Element element, Data data, bool first, size_t count, Random &random) {
  std::vector<uint32_t> words(count);
  for (uint32_t &word : words)
    for (unsigned shift = 0; shift < 32; shift += kBits[static_cast<int>(element)])
      word |= draw(element, data, first, random) << shift;
  return words;
}

/// What is there before the product is added.
template <Element E> std::vector<Accumulator<E>> accumulators(Data data, size_t count, Random &random) {
  std::vector<Accumulator<E>> values(count);
  for (auto &value : values) {
    if constexpr (E == Element::s8)
      value = data == Data::specials ? INT32_MAX - random.between(0, 1000) : random.between(-1000, 1000);
    else
      value = data == Data::subnormals ? 0.0f
              : data == Data::random   ? random.unit()
                                       : static_cast<float>(random.between(-64, 64));
  }
  return values;
}

/// How far a sum of `terms` products of numbers below 1 may be off. Tensor cores align the products of an instruction
/// to the largest one and cut off what lies below the bits that they keep: 24 and more for 16-bit operands and tf32, 14
/// for 8-bit floats on Hopper. The simulator adds in order and rounds to nearest. Every term is off by at most one unit
/// of the sum's last place, and the sum is below `terms`; two bits are left to each side.
inline double tolerance(Element element, Data data, int terms) {
  if (data != Data::random || element == Element::s8)
    return 0;
  bool narrow = element == Element::e4m3 || element == Element::e5m2;
  return terms * (narrow ? 0x1p-11 : 0x1p-21);
}

/// The kinds of data that a format is tried with.
inline std::vector<Data> kinds(Element element) {
  switch (element) {
  case Element::s8: // specials: sums that wrap around
    return {Data::integers, Data::specials};
  case Element::tf32:
    return {Data::integers, Data::random, Data::subnormals, Data::specials, Data::low_bits};
  default:
    return {Data::integers, Data::random, Data::subnormals, Data::specials};
  }
}

} // namespace golden

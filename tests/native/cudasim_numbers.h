// Matrices of small integers in every format that tensor cores multiply; their products are exact.
#pragma once

#include <vector>

#include "cudasim_test.h"
#include "native/simulator/instructions/formats.h"

namespace cudasim_test {

using namespace cuda::ptx;

constexpr unsigned element_bytes(Element type) {
  return type == Element::tf32 ? 4 : type == Element::bf16 || type == Element::f16 ? 2 : 1;
}

inline uint32_t encode(Element type, int value) {
  auto number = static_cast<float>(value);
  switch (type) {
  case Element::bf16:
    return sim::Bf16::encode(number);
  case Element::f16:
    return sim::F16::encode(number);
  case Element::tf32:
    return sim::Tf32::encode(number);
  case Element::e4m3:
    return sim::E4m3::encode(number);
  case Element::e5m2:
    return sim::E5m2::encode(number);
  default:
    return static_cast<uint8_t>(value);
  }
}

/// A row-major matrix of integers from -3 to 3 and its bytes in a format.
struct Integers {
  Integers(Element type_, unsigned rows_, unsigned columns_, uint64_t seed)
      : type(type_), rows(rows_), columns(columns_), values(rows_ * columns_),
        bytes(rows_ * columns_ * element_bytes(type_) + 16) {
    sim::Random random(seed);
    for (size_t i = 0; i < values.size(); ++i) {
      values[i] = static_cast<int>(random.below(7)) - 3;
      uint32_t bits = encode(type, values[i]);
      std::memcpy(data() + i * element_bytes(type), &bits, element_bytes(type));
    }
  }
  int at(unsigned row, unsigned column) const { return values[row * columns + column]; }
  unsigned char *data() { return bytes.data() + (16 - reinterpret_cast<uintptr_t>(bytes.data()) % 16) % 16; }

  /// The map of boxes of the matrix; the inner extent of a box in bytes.
  TensorMap map(unsigned box_rows, unsigned box_bytes, unsigned swizzle) {
    static constexpr uint32_t types[] = {9, 6, 7, 0, 0, 0}; // in the driver's numbering, by Element
    unsigned width = element_bytes(type);
    uint64_t extents[] = {columns, rows}, strides[] = {columns * width};
    uint32_t box[] = {box_bytes / width, box_rows}, ones[] = {1, 1};
    TensorMap map;
    std::string error = sim::encode_tensor_map(
        &map, {types[static_cast<int>(type)], 2, data(), extents, strides, box, ones, 0, swizzle, 0, 0});
    EXPECT_EQ(error, "");
    return map;
  }

  Element type;
  unsigned rows, columns;
  std::vector<int> values;
  std::vector<unsigned char> bytes;
};

/// Element (row, column) of a·bᵀ.
inline int dot(const Integers &a, unsigned row, const Integers &b, unsigned column) {
  int sum = 0;
  for (unsigned k = 0; k < a.columns; ++k)
    sum += a.at(row, k) * b.at(column, k);
  return sum;
}

} // namespace cudasim_test

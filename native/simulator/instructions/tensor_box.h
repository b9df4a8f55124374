// The part of a tensor that one TMA instruction moves.
#pragma once

#include <vector>

#include "bulk.h"
#include "tensor_map.h"

namespace aios::sim {

class TensorBox {
public:
  TensorBox(const TensorMap &map, const int32_t *coordinates);

  /// Bytes in shared memory; parts outside the tensor included.
  uint32_t bytes() const { return rows_ * row_bytes_; }

  /// What is wrong with such a reduction for the map's type, or null.
  const char *check(Reduction reduction) const;

  /// Global to shared. `window` is the byte of the block's shared memory with the address kSharedBase.
  void load(unsigned char *window, uint32_t address) const;
  /// Shared memory's bytes in the order of the box, without the swizzle.
  std::vector<unsigned char> gather(const unsigned char *window, uint32_t address) const;
  /// Those bytes to global memory.
  void store(const unsigned char *bytes, Reduction reduction) const;

private:
  struct Row {
    unsigned char *global; // of the box's first column; null when the row lies outside the tensor
  };
  Row row(uint32_t number) const;
  uint32_t place(uint32_t address, uint32_t offset) const {
    return swizzled(address + offset, map_.swizzle) - kSharedBase;
  }
  bool inside(uint32_t column) const;
  void fill(unsigned char *element) const;

  TensorMap map_;
  int32_t at_[5];
  uint32_t rows_, row_bytes_;
};

} // namespace aios::sim

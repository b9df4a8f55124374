// Matrix descriptors: where the elements of an operand of wgmma lie in shared memory.
#pragma once

#include <cstdint>

#include "../executor/types.h"
#include "tensor_map.h"

namespace aios::sim {

/// A decoded descriptor. Operands consist of 16-byte chunks: eight rows of one chunk (no swizzle) or of a swizzle span
/// form a pattern that repeats.
class Descriptor {
public:
  /// Reports what is wrong with the descriptor; `name` is "A" or "B".
  Descriptor(uint64_t bits, bool transposed, const char *name, const Site &site);

  /// Shared address of chunk `chunk` along K of row `row` (a row of A, a column of B), when K is contiguous; of chunk
  /// `chunk` along the rows at depth `row`, when the rows are.
  uint32_t chunk(uint32_t row, uint32_t chunk) const {
    uint32_t address;
    if (!transposed_)
      address = swizzle_ == Swizzle::none ? start_ + row / 8 * stride_ + row % 8 * 16 + chunk * leading_
                                          : start_ + row / 8 * stride_ + row % 8 * span_ + chunk * 16;
    else if (swizzle_ == Swizzle::none)
      address = start_ + chunk * stride_ + row % 8 * 16 + row / 8 * leading_;
    else
      address = start_ + chunk / chunks_ * leading_ + chunk % chunks_ * 16 + row % 8 * span_ + row / 8 * stride_;
    return swizzled(address, swizzle_);
  }

private:
  bool transposed_;
  Swizzle swizzle_;
  uint32_t start_, leading_, stride_, span_, chunks_;
};

} // namespace aios::sim

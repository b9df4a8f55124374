// The arithmetic of wgmma, without its timing.
#pragma once

#include "descriptor.h"
#include "tensor_core.h"

namespace aios::sim {

/// What all of the threads know: what a collective operation may rely on. Each one's own accesses are known to itself.
Knowledge known_to_all(const Thread *threads, unsigned count);

/// Calls act(address) for every 16 bytes of shared memory that the product reads; reports bad descriptors.
template <class Act> void for_operand_chunks(const Issued &issued, Act act) {
  const Product &product = issued.product;
  auto visit = [&](uint64_t bits, bool transposed, uint32_t extent, const char *name) {
    Descriptor descriptor(bits, transposed, name, issued.site);
    uint32_t rows = transposed ? 16 : extent, chunks = transposed ? extent / 8 : 2; // K is 16 elements or 32 bytes
    for (uint32_t row = 0; row < rows; ++row)
      for (uint32_t chunk = 0; chunk < chunks; ++chunk)
        act(descriptor.chunk(row, chunk));
  };
  if (!product.a_in_registers)
    visit(product.a, product.a_transposed, 64, "A");
  visit(product.b, product.b_transposed, product.columns, "B");
}

/// Adds the product to the accumulators of every thread of the warpgroup, reading shared memory now.
void multiply(const Issued &issued, SharedWindow &shared, uint32_t *const *accumulators);

} // namespace aios::sim

// mma.sync, ldmatrix and stmatrix: what a warp does together with fragments in its lanes' registers.
#pragma once

#include <cstdint>

#include "../executor/types.h"

namespace aios::sim {

enum class Operand : uint8_t { bf16, f16, tf32, e4m3, e5m2, s8 };

/// Elements per 32 bits of a fragment.
constexpr unsigned packed(Operand type) {
  return type == Operand::tf32 ? 1 : type == Operand::bf16 || type == Operand::f16 ? 2 : 4;
}

/// d = a·b + d for a 16×8 tile with 16 (two bytes an element), 8 (tf32) or 32 (one byte) products per element. `d` are
/// four binary32 or, for s8, four int32.
void mma_m16n8(Operand type, void *d, const uint32_t a[4], const uint32_t b[2], const Site &site);

/// `count` (1, 2, 4) matrices of 8 rows of 16 bytes; lane i gives the address of row i % 8 of matrix i / 8.
void load_matrices(uint32_t *fragments, uint32_t address, unsigned count, bool transposed, const Site &site);
void store_matrices(const uint32_t *fragments, uint32_t address, unsigned count, bool transposed, const Site &site);

/// elect.sync: the same lane of the mask every time.
bool elect(uint32_t mask, const Site &site);
/// setmaxnreg of a whole warp.
void set_registers(uint32_t count, const Site &site);

} // namespace aios::sim

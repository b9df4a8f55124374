// Tensor maps: a tensor in global memory and the box that one TMA instruction moves, as 128 opaque bytes.
#pragma once

#include <cstdint>
#include <string>

namespace aios::sim {

enum class TensorType : uint8_t { u8, u16, u32, s32, u64, s64, f16, f32, f64, bf16, f32_ftz, tf32, tf32_ftz };
enum class Swizzle : uint8_t { none, bytes32, bytes64, bytes128 };

/// What cuTensorMapEncodeTiled takes, in the driver's numbering of types, swizzles and fills. Strides are in bytes and
/// begin with that of dimension 1; dimension 0 is contiguous.
struct TensorMapSpec {
  uint32_t type;
  uint32_t rank;
  void *address;
  const uint64_t *extents;
  const uint64_t *strides;
  const uint32_t *box;
  const uint32_t *element_strides;
  uint32_t interleave;
  uint32_t swizzle;
  uint32_t promotion;
  uint32_t fill;
};

/// What the simulator keeps in the 128 bytes of a CUtensorMap.
struct alignas(64) TensorMap {
  uint64_t magic;
  unsigned char *address;
  uint64_t extents[5];
  uint64_t strides[5]; // of dimension 0: the element's size
  uint16_t box[5];
  TensorType type;
  uint8_t rank;
  Swizzle swizzle;
  uint8_t nan_fill;
  uint8_t element_bytes;

  static constexpr uint64_t kMagic = 0x70616D726F736E74u; // "tnsormap"
};
static_assert(sizeof(TensorMap) == 128);

/// Encodes a map as the driver does, with the driver's checks. Returns what is wrong with the arguments, or "".
std::string encode_tensor_map(void *map, const TensorMapSpec &spec);

/// XORs the number of the 16-byte chunk within a row of the swizzle span with the number of the row.
constexpr uint32_t swizzled(uint32_t address, Swizzle swizzle) {
  uint32_t bits = static_cast<uint32_t>(swizzle); // 1, 2, 3: that many bits, from bit 7 onto bit 4
  return address ^ ((address >> 7 & ((1u << bits) - 1)) << 4);
}

} // namespace aios::sim

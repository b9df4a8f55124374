#include "tensor_map.h"

#include <cstring>

namespace aios::sim {
namespace {

constexpr uint8_t kElementBytes[] = {1, 2, 4, 4, 8, 8, 2, 4, 8, 2, 4, 4, 4};
constexpr uint32_t kMaxBox = 256;

} // namespace

std::string encode_tensor_map(void *out, const TensorMapSpec &spec) {
  if (reinterpret_cast<uintptr_t>(out) % 64 != 0)
    return "the tensor map is not aligned to 64 bytes";
  if (spec.type >= sizeof kElementBytes)
    return "unknown element type " + std::to_string(spec.type);
  if (spec.rank < 1 || spec.rank > 5)
    return "a tensor map has 1 to 5 dimensions";
  if (spec.interleave != 0)
    return "the simulator has no interleaved layouts";
  if (spec.swizzle > 3)
    return "unknown swizzle " + std::to_string(spec.swizzle);
  if (reinterpret_cast<uintptr_t>(spec.address) % 16 != 0)
    return "the tensor's address is not aligned to 16 bytes";
  TensorMap map{};
  map.magic = TensorMap::kMagic;
  map.address = static_cast<unsigned char *>(spec.address);
  map.type = static_cast<TensorType>(spec.type);
  map.rank = static_cast<uint8_t>(spec.rank);
  map.swizzle = static_cast<Swizzle>(spec.swizzle);
  map.element_bytes = kElementBytes[spec.type];
  map.nan_fill = spec.fill != 0;
  if (map.nan_fill && spec.type < static_cast<uint32_t>(TensorType::f16))
    return "integers cannot be filled with NaN";
  for (uint32_t i = 0; i < 5; ++i) {
    bool used = i < spec.rank;
    map.extents[i] = used ? spec.extents[i] : 1;
    map.box[i] = static_cast<uint16_t>(used ? spec.box[i] : 1);
    map.strides[i] = i == 0 ? map.element_bytes : used ? spec.strides[i - 1] : 0;
    if (!used)
      continue;
    std::string dimension = " of dimension " + std::to_string(i);
    if (spec.extents[i] == 0 || spec.extents[i] > (uint64_t{1} << 32))
      return "the extent" + dimension + " is not from 1 to 2^32";
    if (spec.box[i] == 0 || spec.box[i] > kMaxBox)
      return "the box" + dimension + " is not from 1 to 256";
    if (spec.element_strides[i] != 1)
      return "the simulator has no element strides other than 1";
    if (i > 0 && (map.strides[i] % 16 != 0 || map.strides[i] >= (uint64_t{1} << 40)))
      return "the stride" + dimension + " is not a multiple of 16 below 2^40";
  }
  uint64_t inner = static_cast<uint64_t>(spec.box[0]) * map.element_bytes;
  if (inner % 16 != 0)
    return "the box is " + std::to_string(inner) + " bytes wide, which is not a multiple of 16";
  if (spec.swizzle != 0 && inner != (16u << spec.swizzle))
    return "the box is " + std::to_string(inner) + " bytes wide, which is not what the swizzle spans";
  std::memcpy(out, &map, sizeof map);
  return "";
}

} // namespace aios::sim

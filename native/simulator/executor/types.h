// What every part of the simulator knows: extents, call sites, and the device's limits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <source_location>
#include <type_traits>

namespace aios::sim {

/// An extent or an index, as CUDA's dim3 and uint3.
struct Dim3 {
  unsigned x, y, z;

  constexpr Dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
  constexpr uint64_t volume() const { return static_cast<uint64_t>(x) * y * z; }
  bool operator==(const Dim3 &) const = default;
};

/// The place in a kernel's source that a report names.
using Site = std::source_location;

/// a + b as the device adds: of integers modulo 2^n, signed ones too.
template <class T> constexpr T sum(T a, T b) {
  if constexpr (std::is_integral_v<T>)
    return static_cast<T>(static_cast<std::make_unsigned_t<T>>(a) + static_cast<std::make_unsigned_t<T>>(b));
  else
    return a + b;
}

constexpr unsigned kWarpSize = 32;
constexpr unsigned kMaxBlockThreads = 1024;
constexpr unsigned kMaxClusterBlocks = 16;
constexpr unsigned kMaxSharedBytes = 232448;
constexpr unsigned kNamedBarriers = 16;

/// Shared addresses are offsets into the block's window plus this, which the hardware keeps for itself: 0 is never an
/// address, and the first byte is aligned for every swizzle.
constexpr uint32_t kSharedBase = 1024;

/// The rank of a block in its cluster stands in a shared address above this bit.
constexpr uint32_t kClusterShift = 24;

} // namespace aios::sim

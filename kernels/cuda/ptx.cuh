// Instructions that CUDA C++ has no names for. On the device each function is one line of PTX (ptx_device.cuh); on the
// host it is a call into the simulator (native/simulator/instructions/ptx.h). Kernels contain no asm of their own.
//
// Shared memory is named by 32-bit shared addresses, as Shared<T>::address gives them.
#pragma once

#include "launch.cuh"

namespace aios::cuda::ptx {

/// The formats that tensor cores multiply.
enum class Element { bf16, f16, tf32, e4m3, e5m2, s8 };

/// What they are summed up in: binary32, and int32 for integers.
template <Element E> using Accumulator = std::conditional_t<E == Element::s8, int, float>;

/// Whether wgmma has products with so many columns: multiples of 8 up to 256, of integers above 32 only every other
/// one.
template <Element E> __host__ __device__ constexpr bool has_columns(int columns) {
  return columns >= 8 && columns <= 256 && columns % (E == Element::s8 && columns > 32 ? 16 : 8) == 0;
}

/// A CUtensorMap. Kernels take it as `const __grid_constant__ TensorMap map`.
struct alignas(64) TensorMap {
  unsigned char opaque[128];
};

/// Of a matrix in shared memory: how the 16-byte chunks of a row are permuted.
enum class Swizzle { none, bytes32, bytes64, bytes128 };

/// A matrix descriptor of wgmma. `leading` and `stride` are distances in bytes between patterns of eight rows: `stride`
/// along the rows, `leading` along K without a swizzle; the other way round where the rows are contiguous. One step
/// along K adds 32 bytes, 2 in the descriptor.
__host__ __device__ constexpr uint64_t matrix_descriptor(uint32_t address, uint32_t leading, uint32_t stride,
                                                         Swizzle swizzle) {
  uint64_t layout = swizzle == Swizzle::none ? 0 : 4 - static_cast<uint64_t>(swizzle);
  return static_cast<uint64_t>(address >> 4 & 0x3FFF) | static_cast<uint64_t>(leading >> 4 & 0x3FFF) << 16 |
         static_cast<uint64_t>(stride >> 4 & 0x3FFF) << 32 | layout << 62;
}

} // namespace aios::cuda::ptx

#ifdef __CUDACC__
#include "ptx_device.cuh"
#else
#include "native/simulator/instructions/ptx.h"
#endif

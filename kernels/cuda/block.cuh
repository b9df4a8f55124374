// What kernels share: how work is spread over blocks, and reductions over a block in an order that depends on its size
// only.
#pragma once

#include "numbers.cuh"

namespace aios::cuda {

constexpr unsigned kWarp = 32;
constexpr unsigned kThreads = 256; // most of a block, unless its kernel says otherwise
constexpr unsigned kAllLanes = 0xffffffffu;

__host__ __device__ __forceinline__ int64_t min64(int64_t a, int64_t b) {
  return a < b ? a : b;
}
__host__ __device__ __forceinline__ int64_t max64(int64_t a, int64_t b) {
  return a > b ? a : b;
}
__host__ __device__ __forceinline__ int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

/// Blocks for `work` pieces, one after the other where there are more than a grid should have.
inline unsigned blocks_for(int64_t work) {
  return static_cast<unsigned>(min64(work, int64_t{1} << 20));
}

/// For a loop of all threads over n elements that are independent of each other.
inline Shape shape_of_elements(int64_t n) {
  constexpr int64_t kEach = 8; // elements of a thread
  const int64_t threads = min64(kThreads, ceil_div(n, kWarp) * kWarp);
  return {blocks_for(ceil_div(n, threads * kEach)), static_cast<unsigned>(threads)};
}

/// For blocks that take one row after the other, with the memory of `reduce_block` for T; a warp, which needs none, for
/// short rows.
template <class T> Shape shape_of_rows(int64_t rows, int64_t cols) {
  constexpr int64_t kShort = 512;
  if (cols <= kShort)
    return {blocks_for(rows), kWarp};
  return {blocks_for(rows), kThreads, kThreads / kWarp * sizeof(T)};
}

/// The thread's first element in a loop over all threads of the grid, and the step to the next.
__device__ __forceinline__ int64_t first_element() {
  return static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}
__device__ __forceinline__ int64_t element_step() {
  return static_cast<int64_t>(gridDim.x) * blockDim.x;
}

/// The value of the lane whose number differs in the bits of `mask`.
template <class T> __device__ __forceinline__ T other_lane(T value, unsigned mask) {
  return __shfl_xor_sync(kAllLanes, value, static_cast<int>(mask));
}

struct Add {
  template <class T> __device__ __forceinline__ T operator()(T a, T b) const { return a + b; }
};

struct Max {
  __device__ __forceinline__ float operator()(float a, float b) const { return a > b ? a : b; }
};

/// The join of the values of all threads of the block, which must all call it, in each of them. `join` is commutative:
/// lanes are joined in pairs, then the warps in their order. `scratch` may be used again at once.
template <class T, class Join> __device__ T reduce_block(T value, Join join, Shared<T> scratch) {
  for (unsigned mask = kWarp / 2; mask > 0; mask /= 2)
    value = join(value, other_lane(value, mask));
  const unsigned warps = blockDim.x / kWarp;
  if (warps == 1)
    return value;
  __syncthreads(); // what an earlier call left has been read
  if (threadIdx.x % kWarp == 0)
    scratch[threadIdx.x / kWarp] = value;
  __syncthreads();
  value = scratch[0];
  for (unsigned warp = 1; warp < warps; warp++)
    value = join(value, static_cast<T>(scratch[warp]));
  return value;
}

} // namespace aios::cuda

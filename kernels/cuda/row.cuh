// Maximum and sum of exponentials of a row, by the threads of a block.
#pragma once

#include <cfloat>

#include "launchers.cuh"

namespace aios::cuda {

/// The greatest element of a row, and the sum of exp(x - max). A row of -infinity alone has the sum 0.
struct Exponentials {
  float max, sum;
};

/// All threads of the block call it, in a grid of shape_of_rows<float>.
template <class T> __device__ Exponentials exponentials_of_row(const T *row, int64_t cols, Shared<float> scratch) {
  Exponentials found = {-FLT_MAX, 0.0f};
  for (int64_t c = threadIdx.x; c < cols; c += blockDim.x)
    found.max = Max()(load(row + c), found.max);
  found.max = reduce_block(found.max, Max(), scratch);
  for (int64_t c = threadIdx.x; c < cols; c += blockDim.x)
    found.sum += expf(load(row + c) - found.max);
  found.sum = reduce_block(found.sum, Add(), scratch);
  return found;
}

} // namespace aios::cuda

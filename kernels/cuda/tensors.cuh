// Walks many tensors in fixed chunks, so that one huge tensor and a hundred small ones are shared out alike. Where the
// chunks lie depends on the sizes only. The table lies in device memory, so that a launcher does not know its tensors:
// grids have kTableBlocks blocks, which take chunks in turn.
#pragma once

#include "launchers.cuh"
#include "report.cuh"

namespace aios::cuda {

constexpr int64_t kTensorChunk = 4096;
constexpr unsigned kTableBlocks = 128;

/// A block's way through the chunks: from its own first one in steps of the grid.
template <class Tensor> class ChunkWalk {
public:
  __device__ ChunkWalk(const Tensor *tensors, int64_t count)
      : tensors_(tensors), count_(count), chunk_(blockIdx.x), own_(count > 0 ? chunks_of(0) : 0) {
    find();
  }

  __device__ bool here() const { return tensor_ < count_; }
  __device__ void advance() {
    chunk_ += gridDim.x;
    find();
  }

  __device__ const Tensor &tensor() const { return tensors_[tensor_]; }
  __device__ int64_t index() const { return tensor_; }
  __device__ int64_t chunk() const { return chunk_; }
  /// The chunk's elements are begin() .. end() - 1 of the tensor.
  __device__ int64_t begin() const { return (chunk_ - first_) * kTensorChunk; }
  __device__ int64_t end() const { return min64(tensor().n, begin() + kTensorChunk); }

private:
  __device__ int64_t chunks_of(int64_t tensor) const { return ceil_div(tensors_[tensor].n, kTensorChunk); }

  /// Moves on to the tensor of the chunk.
  __device__ void find() {
    while (tensor_ < count_ && chunk_ >= first_ + own_) {
      first_ += own_;
      if (++tensor_ < count_)
        own_ = chunks_of(tensor_);
    }
  }

  const Tensor *tensors_;
  int64_t count_, chunk_, own_;
  int64_t tensor_ = 0, first_ = 0; // first chunk of the tensor
};

/// Updates the elements of a chunk.
template <class T, class Tensor, class Update>
__device__ void update_chunk(const ChunkWalk<Tensor> &walk, const Update &update) {
  const Tensor &tensor = walk.tensor();
  T *param = static_cast<T *>(tensor.param);
  const T *grad = static_cast<const T *>(tensor.grad);
  for (int64_t i = walk.begin() + threadIdx.x; i < walk.end(); i += blockDim.x) {
    const float p = tensor.master ? tensor.master[i] : load(param + i);
    const float next = update(tensor, i, p, load(grad + i));
    if (tensor.master)
      tensor.master[i] = next;
    store(param + i, next);
  }
}

/// Updates every element of every tensor: update(tensor, i, p, grad) returns the new value of p, what tensor.master[i],
/// or tensor.param[i] where there is no master, holds now. With a master the parameter receives it rounded.
template <class Tensor, class Update>
__global__ void update_tensors_kernel(const Tensor *tensors, int64_t count, Update update, Report report) {
  update.begin();
  for (ChunkWalk<Tensor> walk(tensors, count); walk.here(); walk.advance())
    if (walk.tensor().dtype == AIOS_DTYPE_BF16)
      update_chunk<bf16>(walk, update);
    else if (walk.tensor().dtype == AIOS_DTYPE_F32)
      update_chunk<float>(walk, update);
    else
      report(AIOS_CUDA_FINDING_DTYPE, walk.index(), walk.tensor().dtype, 0);
}

} // namespace aios::cuda

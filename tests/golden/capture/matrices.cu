#include "matrices.cuh"

namespace golden {

template <bool Transposed, int Count>
__global__ void load_kernel(const uint32_t *image, const uint32_t *rows, uint32_t *out) {
  Shared<uint32_t> shared(0);
  for (uint32_t i = threadIdx.x; i < kMatrixWords; i += 32)
    shared[i] = image[i];
  __syncthreads();
  uint32_t fragments[Count];
  load_matrices<Transposed>(fragments, shared.address(4 * rows[threadIdx.x]));
  for (uint32_t i = 0; i < Count; ++i)
    out[i * 32 + threadIdx.x] = fragments[i];
}

template <bool Transposed, int Count> struct Load {
  static constexpr bool transposed = Transposed;
  static constexpr int count = Count;
  static auto kernel() { return load_kernel<Transposed, Count>; }
};

void add_matrix_cases(Family &family) {
  add_matrix_forms<Load>(family, "ldmatrix", 80);
}

} // namespace golden

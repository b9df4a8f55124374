#include "matrices.cuh"

namespace golden {

template <bool Transposed, int Count>
__global__ void store_kernel(const uint32_t *image, const uint32_t *rows, uint32_t *out) {
  Shared<uint32_t> shared(0);
  for (uint32_t i = threadIdx.x; i < kMatrixWords; i += 32)
    shared[i] = 0xA5A5A5A5u;
  __syncthreads();
  uint32_t fragments[Count];
  for (uint32_t i = 0; i < Count; ++i)
    fragments[i] = image[i * 32 + threadIdx.x];
  store_matrices<Transposed>(shared.address(4 * rows[threadIdx.x]), fragments);
  __syncthreads();
  for (uint32_t i = threadIdx.x; i < kMatrixWords; i += 32)
    out[i] = shared[i];
}

template <bool Transposed, int Count> struct Store {
  static constexpr bool transposed = Transposed;
  static constexpr int count = Count;
  static auto kernel() { return store_kernel<Transposed, Count>; }
};

void add_matrix_cases_sm90(Family &family) {
  add_matrix_forms<Store>(family, "stmatrix", 90);
}

} // namespace golden

// Cases of cp.async: all sizes, with every number of bytes of the source.
#include "golden.cuh"

namespace golden {
namespace {

constexpr uint32_t kThreads = 64;

/// Two groups; the second is waited for after the first has been read.
template <int Size>
__global__ void copy_kernel(const unsigned char *in, const uint32_t *sizes, bool whole, unsigned char *out) {
  constexpr uint32_t bytes = Size * kThreads;
  Shared<unsigned char> shared(0);
  for (uint32_t i = threadIdx.x; i < 2 * bytes; i += kThreads)
    shared[i] = 0xA5;
  __syncthreads();
  for (uint32_t group = 0; group < 2; ++group) {
    uint32_t at = group * bytes + threadIdx.x * Size;
    if (whole)
      cp_async<Size>(shared.address(at), in + at);
    else
      cp_async<Size>(shared.address(at), in + at, sizes[group * kThreads + threadIdx.x]);
    cp_async_commit();
  }
  cp_async_wait<1>();
  __syncthreads();
  for (uint32_t i = threadIdx.x; i < bytes; i += kThreads)
    out[i] = shared[i];
  cp_async_wait_all();
  __syncthreads();
  for (uint32_t i = bytes + threadIdx.x; i < 2 * bytes; i += kThreads)
    out[i] = shared[i];
}

template <int Size> void add_copies(Family &family) {
  for (bool whole : {true, false})
    family.add("cp_async." + std::to_string(Size) + (whole ? "" : ".zero_fill"), 80, [whole](Run &run) {
      constexpr size_t bytes = 2 * Size * kThreads;
      unsigned char *in = run.input(run.random.values<unsigned char>(bytes));
      std::vector<uint32_t> sizes(2 * kThreads);
      for (uint32_t &size : sizes)
        size = run.random.below(Size + 1);
      unsigned char *out = run.buffer<unsigned char>(bytes);
      run.launch(Dim3(1), Dim3(kThreads), bytes, copy_kernel<Size>, in, run.input(sizes), whole, out);
      run.result(out, bytes);
    });
}

} // namespace

void add_copy_cases(Family &family) {
  add_copies<4>(family);
  add_copies<8>(family);
  add_copies<16>(family);
}

} // namespace golden

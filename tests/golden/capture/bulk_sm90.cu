// Cases of cp.async.bulk without a tensor map: from and to global memory, and between blocks of a cluster.
#include "golden.cuh"

namespace golden {
namespace {

constexpr uint32_t kThreads = 64, kBytes = 2048;

__global__ void bulk_kernel(const unsigned char *in, uint32_t size, uint32_t offset, unsigned char *out) {
  Shared<unsigned char> window(16);
  uint32_t barrier = Shared<uint64_t>(0).address();
  for (uint32_t i = threadIdx.x; i < kBytes; i += kThreads)
    window[i] = 0xA5;
  if (threadIdx.x == 0) {
    mbarrier_init(barrier, 1);
    fence_mbarrier_init();
  }
  fence_proxy_async();
  __syncthreads();
  if (threadIdx.x == 0) {
    mbarrier_arrive_expect(barrier, size);
    bulk_load(window.address(offset), in + offset, size, barrier);
  }
  mbarrier_wait(barrier, 0);
  __syncthreads();
  if (threadIdx.x == 0) { // all of it but the first 16 bytes, shifted by 16
    bulk_store(out, window.address(16), kBytes - 16);
    bulk_commit();
    bulk_wait_read<0>();
    bulk_wait<0>();
  }
}

/// A ring: every block sends its window to the next one.
__global__ void send_kernel(const unsigned char *in, uint32_t size, unsigned char *out) {
  Shared<unsigned char> mine(16), received(16 + kBytes);
  uint32_t barrier = Shared<uint64_t>(0).address(), rank = cluster_rank();
  for (uint32_t i = threadIdx.x; i < kBytes; i += kThreads) {
    mine[i] = in[rank * kBytes + i];
    received[i] = 0xA5;
  }
  if (threadIdx.x == 0) {
    mbarrier_init(barrier, 1);
    fence_mbarrier_init();
    mbarrier_arrive_expect(barrier, size);
  }
  fence_proxy_async();
  cluster_arrive();
  cluster_wait();
  if (threadIdx.x == 0) {
    uint32_t next = (rank + 1) % cluster_size();
    bulk_send(map_shared(received.address(32), next), mine.address(), size, map_shared(barrier, next));
  }
  mbarrier_wait(barrier, 0);
  for (uint32_t i = threadIdx.x; i < kBytes; i += kThreads)
    out[rank * kBytes + i] = received[i];
  cluster_arrive();
  cluster_wait();
}

} // namespace

void add_bulk_cases_sm90(Family &family) {
  for (uint32_t size : {16u, 112u, 1024u})
    for (uint32_t offset : {0u, 48u})
      family.add("bulk." + std::to_string(size) + ".at_" + std::to_string(offset), 90, [size, offset](Run &run) {
        unsigned char *in = run.input(run.random.values<unsigned char>(kBytes));
        unsigned char *out = run.buffer<unsigned char>(kBytes);
        run.launch(Dim3(1), Dim3(kThreads), 16 + kBytes, bulk_kernel, in, size, offset, out);
        run.result(out, kBytes);
      });
  for (uint32_t size : {16u, 1520u})
    family.add("bulk_send." + std::to_string(size), 90, [size](Run &run) {
      constexpr uint32_t blocks = 4;
      unsigned char *in = run.input(run.random.values<unsigned char>(blocks * kBytes));
      unsigned char *out = run.buffer<unsigned char>(blocks * kBytes);
      run.launch(Shape{Dim3(blocks), Dim3(kThreads), 16 + 2 * kBytes, Dim3(blocks, 1, 1)}, send_kernel, in, size, out);
      run.result(out, blocks * kBytes);
    });
}

} // namespace golden

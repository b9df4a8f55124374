// Cases of mbarriers, as far as it can be seen from results: which phases a wait lets pass, and what is visible then.
#include "golden.cuh"

namespace golden {
namespace {

constexpr uint32_t kThreads = 128, kRounds = 5;

__device__ __forceinline__ void start(uint32_t barrier, uint32_t arrivals) {
  if (threadIdx.x == 0) {
    mbarrier_init(barrier, arrivals);
    fence_mbarrier_init();
  }
  __syncthreads();
}

/// Every thread writes, arrives and waits; what its neighbours have written is there in each round.
__global__ void rounds_kernel(const uint32_t *in, uint32_t *out) {
  Shared<uint32_t> data(16);
  uint32_t barrier = Shared<uint64_t>(0).address(), thread = threadIdx.x;
  start(barrier, kThreads);
  for (uint32_t round = 0; round < kRounds; ++round) {
    data[round * kThreads + thread] = in[round * kThreads + thread];
    mbarrier_arrive(barrier);
    mbarrier_wait(barrier, round & 1);
    uint32_t other = (thread * 37 + round * 11 + 1) % kThreads;
    out[round * kThreads + thread] = data[round * kThreads + other];
  }
}

/// The parity of the phase before the first has passed, which lets a producer begin; so it is after another init.
__global__ void fresh_kernel(uint32_t *out) {
  uint32_t barrier = Shared<uint64_t>(0).address();
  if (threadIdx.x != 0)
    return;
  uint32_t passed = 0;
  for (uint32_t use = 0; use < 2; ++use) {
    mbarrier_init(barrier, 1);
    fence_mbarrier_init();
    mbarrier_wait(barrier, 1);
    out[passed++] = mbarrier_try_wait(barrier, 1);
    for (uint32_t phase = 0; phase < 3; ++phase) {
      mbarrier_arrive(barrier);
      mbarrier_wait(barrier, phase & 1);
      out[passed++] = mbarrier_try_wait(barrier, phase & 1);
    }
    mbarrier_invalidate(barrier);
  }
}

/// One phase gets its bytes from several copies; announced by `announcements` pieces, the last with the arrival.
__global__ void bytes_kernel(const uint32_t *in, uint32_t pieces, uint32_t announcements, uint32_t *out) {
  Shared<uint32_t> data(128);
  uint32_t barrier = Shared<uint64_t>(0).address(), words = kThreads * kRounds / pieces / 4 * 4;
  start(barrier, 1);
  for (uint32_t round = 0; round < 2; ++round) {
    if (threadIdx.x == 0) {
      uint32_t bytes = 4 * words * pieces, part = bytes / announcements / 16 * 16;
      for (uint32_t i = 1; i < announcements; ++i)
        mbarrier_expect(barrier, part);
      mbarrier_arrive_expect(barrier, bytes - part * (announcements - 1));
      for (uint32_t i = 0; i < pieces; ++i)
        bulk_load(data.address(i * words), in + (round * pieces + i) * words, 4 * words, barrier);
    }
    mbarrier_wait(barrier, round & 1);
    for (uint32_t i = threadIdx.x; i < words * pieces; i += kThreads)
      out[round * words * pieces + i] = data[i];
    fence_proxy_async();
    __syncthreads();
  }
}

/// Blocks of a cluster arrive at each other's barriers after writing into each other's memory.
__global__ void remote_kernel(const float *in, float *out) {
  Shared<float> data(16);
  uint32_t barrier = Shared<uint64_t>(0).address(), rank = cluster_rank(), blocks = cluster_size();
  start(barrier, blocks * kThreads);
  cluster_arrive();
  cluster_wait();
  for (uint32_t block = 0; block < blocks; ++block) {
    uint32_t place = data.address(rank * kThreads + threadIdx.x);
    store_remote(map_shared(place, block), in[(rank * blocks + block) * kThreads + threadIdx.x]);
    mbarrier_arrive_remote(map_shared(barrier, block));
  }
  cluster_arrive();
  mbarrier_wait(barrier, 0);
  cluster_wait();
  for (uint32_t i = threadIdx.x; i < blocks * kThreads; i += kThreads) {
    out[rank * blocks * kThreads + i] = data[i];
    uint32_t next = map_shared(data.address(i), (rank + 1) % blocks);
    out[(blocks + rank) * blocks * kThreads + i] = load_remote(next);
  }
  cluster_arrive();
  cluster_wait();
}

} // namespace

void add_mbarrier_cases_sm90(Family &family) {
  family.add("rounds", 90, [](Run &run) {
    uint32_t *out = run.buffer<uint32_t>(kRounds * kThreads);
    run.launch(Dim3(1), Dim3(kThreads), 16 + 4 * kRounds * kThreads, rounds_kernel,
               run.input(run.random.values<uint32_t>(kRounds * kThreads)), out);
    run.result(out, kRounds * kThreads);
  });
  family.add("fresh", 90, [](Run &run) {
    uint32_t *out = run.buffer<uint32_t>(8);
    run.launch(Dim3(1), Dim3(32), 16, fresh_kernel, out);
    run.result(out, 8);
  });
  for (uint32_t pieces : {1u, 2u, 5u})
    for (uint32_t announcements : {1u, 3u})
      family.add("bytes." + std::to_string(pieces) + "_copies.announced_" + std::to_string(announcements), 90,
                 [pieces, announcements](Run &run) {
                   size_t words = 2 * kRounds * kThreads;
                   uint32_t *out = run.buffer<uint32_t>(words);
                   run.launch(Dim3(1), Dim3(kThreads), 128 + 4 * words, bytes_kernel,
                              run.input(run.random.values<uint32_t>(words)), pieces, announcements, out);
                   run.result(out, words);
                 });
  for (uint32_t blocks : {2u, 4u})
    family.add("cluster_of_" + std::to_string(blocks), 90, [blocks](Run &run) {
      std::vector<float> numbers(blocks * blocks * kThreads);
      for (float &number : numbers)
        number = run.random.unit();
      float *out = run.buffer<float>(2 * blocks * blocks * kThreads);
      run.launch(Shape{Dim3(blocks), Dim3(kThreads), 16 + 4 * blocks * kThreads, Dim3(blocks, 1, 1)}, remote_kernel,
                 run.input(numbers), out);
      run.result(out, 2 * blocks * blocks * kThreads);
    });
}

} // namespace golden

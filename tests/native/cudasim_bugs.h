// Small kernels with one mistake each, which is there when `planted` is set.
#pragma once

#include "cudasim_planted.h"

namespace cudasim_test {

__global__ inline void sync_missing(Work work) {
  Shared<float> tile(0);
  AT(0), tile[threadIdx.x] = work.data[threadIdx.x];
  if (!work.planted)
    __syncthreads();
  AT(1), work.data[threadIdx.x] = tile[blockDim.x - 1 - threadIdx.x];
}

__global__ inline void buffer_overwritten(Work work) {
  float sum = 0;
  for (unsigned k = 0; k < 4; ++k) {
    Shared<float> tile(work.planted ? 0 : k % 2 * 256);
    AT(0), tile[threadIdx.x] = work.data[threadIdx.x] + static_cast<float>(k);
    __syncthreads();
    AT(1), sum += tile[(threadIdx.x + 1) % blockDim.x];
  }
  work.data[threadIdx.x] = sum;
}

__global__ inline void barrier_in_branch(Work work) {
  if (work.planted && threadIdx.x < 40)
    AT(0), __syncthreads();
  else
    AT(1), __syncthreads();
}

__global__ inline void barrier_after_exit(Work work) {
  if (work.planted && threadIdx.x == 63)
    return;
  AT(0), __syncthreads();
}

__global__ inline void index_too_large(Work work) {
  Shared<float> tile(0);
  AT(0), tile[threadIdx.x + (work.planted ? 1 : 0)] = 0.0f;
}

__global__ inline void index_negative(Work work) {
  Shared<float> tile(0);
  AT(0), tile[static_cast<int>(threadIdx.x) - (work.planted ? 1 : 0)] = 0.0f;
}

__global__ inline void read_uninitialised(Work work) {
  Shared<float> tile(0);
  if (threadIdx.x != 7 || !work.planted)
    tile[threadIdx.x] = 1.0f;
  __syncthreads();
  AT(0), work.data[threadIdx.x] = tile[threadIdx.x ^ 1];
}

__global__ inline void counter_read_early(Work work) {
  Shared<int> counter(0);
  if (threadIdx.x == 0)
    counter[0] = 0;
  __syncthreads();
  AT(0), counter.atomic_add(0, 1);
  if (!work.planted)
    __syncthreads();
  AT(1), work.data[threadIdx.x] = static_cast<float>(counter[0]);
}

__global__ inline void copy_not_waited(Work work) {
  Shared<float> tile(0);
  AT(0), cp_async<4>(tile.address(threadIdx.x), work.data + threadIdx.x);
  cp_async_commit();
  if (!work.planted)
    cp_async_wait<0>();
  AT(1), work.data[threadIdx.x] = tile[threadIdx.x];
}

__global__ inline void copy_waited_by_one_too_few(Work work) {
  Shared<float> tile(0);
  cp_async<4>(tile.address(64 + threadIdx.x), work.data + threadIdx.x);
  cp_async_commit();
  AT(0), cp_async<4>(tile.address(threadIdx.x), work.data + threadIdx.x);
  cp_async_commit();
  if (work.planted)
    cp_async_wait<1>();
  else
    cp_async_wait<0>();
  AT(1), work.data[threadIdx.x] = tile[threadIdx.x];
  cp_async_wait_all();
}

// Waiting for one's own copies says nothing of other threads'.
__global__ inline void copy_of_another_thread(Work work) {
  Shared<float> tile(0);
  AT(0), cp_async<4>(tile.address(threadIdx.x), work.data + threadIdx.x);
  cp_async_wait_all();
  if (!work.planted)
    __syncthreads();
  AT(1), work.data[threadIdx.x] = tile[threadIdx.x ^ 33];
}

__global__ inline void row_misaligned(Work work) {
  Shared<unsigned> tile(0);
  for (unsigned i = threadIdx.x; i < 64; i += 32)
    tile[i] = i;
  __syncwarp();
  uint32_t fragment[1];
  AT(0), load_matrices(fragment, tile.address(4 * (threadIdx.x % 8)) + (work.planted && threadIdx.x == 3 ? 4 : 0));
  work.data[threadIdx.x] = static_cast<float>(fragment[0]);
}

__global__ inline void matrix_read_early(Work work) {
  Shared<unsigned> tile(0);
  uint32_t fragment[1] = {threadIdx.x};
  AT(0), store_matrices(tile.address(4 * (threadIdx.x % 8)), fragment);
  if (!work.planted)
    __syncwarp();
  AT(1), work.data[threadIdx.x] = static_cast<float>(tile[threadIdx.x]);
}

__global__ inline void named_counts_differ(Work work) {
  if (threadIdx.x < 32)
    AT(0), bar_sync(1, 64);
  else if (threadIdx.x < 64)
    AT(1), bar_sync(1, work.planted ? 96 : 64);
}

__global__ inline void named_barrier_of_others(Work work) {
  if (threadIdx.x < 32)
    AT(0), bar_sync(1, 64);
  else
    AT(1), bar_sync(work.planted ? 2 : 1, 64);
}

__global__ inline void named_barrier_by_part_of_a_warp(Work work) {
  if (!work.planted || threadIdx.x % 32 < 16 || threadIdx.x < 64)
    AT(0), bar_sync(1, 64);
}

__global__ inline void wait_before_init(Work work) {
  Shared<uint64_t> barriers(0);
  if (threadIdx.x == 0)
    mbarrier_init(barriers.address(0), 64);
  __syncthreads();
  mbarrier_arrive(barriers.address(0));
  AT(0), mbarrier_wait(barriers.address(work.planted ? 1 : 0), 0);
}

__global__ inline void init_twice(Work work) {
  Shared<uint64_t> barriers(0);
  if (threadIdx.x == 0 || (work.planted && threadIdx.x == 1))
    AT(0), mbarrier_init(barriers.address(0), 1);
}

__global__ inline void arrival_skipped(Work work) {
  Shared<uint64_t> barriers(0);
  if (threadIdx.x == 0)
    mbarrier_init(barriers.address(0), 64);
  __syncthreads();
  if (threadIdx.x != 5 || !work.planted)
    mbarrier_arrive(barriers.address(0));
  AT(0), mbarrier_wait(barriers.address(0), 0);
}

/// A barrier at 0 that copies may report to, and 64 floats at 128.
__device__ inline uint32_t prepare_barrier(unsigned arrivals) {
  Shared<uint64_t> barriers(0);
  if (threadIdx.x == 0) {
    mbarrier_init(barriers.address(0), arrivals);
    fence_mbarrier_init();
  }
  __syncthreads();
  return barriers.address(0);
}

__global__ inline void too_many_arrivals(Work work) {
  uint32_t barrier = prepare_barrier(1);
  Shared<float> tile(128);
  if (threadIdx.x == 0) {
    mbarrier_arrive_expect(barrier, 256);
    if (work.planted)
      AT(0), mbarrier_arrive(barrier);
    bulk_load(tile.address(0), work.data, 256, barrier);
  }
  mbarrier_wait(barrier, 0);
}

__global__ inline void load_not_waited(Work work) {
  uint32_t barrier = prepare_barrier(1);
  Shared<float> tile(128);
  if (threadIdx.x == 0) {
    mbarrier_arrive_expect(barrier, 256);
    AT(0), bulk_load(tile.address(0), work.data, 256, barrier);
  }
  if (!work.planted)
    mbarrier_wait(barrier, 0);
  __syncthreads();
  AT(1), work.data[threadIdx.x] = tile[threadIdx.x];
}

__global__ inline void load_in_flight_at_exit(Work work) {
  uint32_t barrier = prepare_barrier(1);
  Shared<float> tile(128);
  if (threadIdx.x != 0)
    return;
  mbarrier_arrive_expect(barrier, 256);
  AT(0), bulk_load(tile.address(0), work.data, 256, barrier);
  if (!work.planted)
    mbarrier_wait(barrier, 0);
}

__global__ inline void load_misaligned(Work work) {
  uint32_t barrier = prepare_barrier(1);
  Shared<float> tile(128);
  if (threadIdx.x == 0) {
    mbarrier_arrive_expect(barrier, 256);
    AT(0), bulk_load(tile.address(0), work.data + (work.planted ? 1 : 0), 256, barrier);
  }
  mbarrier_wait(barrier, 0);
}

__global__ inline void load_over_unread(Work work) {
  uint32_t barrier = prepare_barrier(1);
  Shared<float> tile(128);
  tile[threadIdx.x] = 1.0f;
  fence_proxy_async();
  __syncthreads();
  AT(0), work.data[64 + threadIdx.x] = tile[threadIdx.x ^ 32];
  if (!work.planted)
    __syncthreads();
  if (threadIdx.x == 0) {
    mbarrier_arrive_expect(barrier, 256);
    AT(1), bulk_load(tile.address(0), work.data, 256, barrier);
  }
  mbarrier_wait(barrier, 0);
}

__global__ inline void store_without_fence(Work work) {
  Shared<float> tile(128);
  AT(0), tile[threadIdx.x] = 1.0f;
  if (!work.planted)
    fence_proxy_async();
  __syncthreads();
  if (threadIdx.x == 0) {
    AT(1), bulk_store(work.data, tile.address(0), 256);
    bulk_commit();
    bulk_wait<0>();
  }
}

__global__ inline void stored_bytes_overwritten(Work work) {
  Shared<float> tile(128);
  tile[threadIdx.x] = 1.0f;
  fence_proxy_async();
  __syncthreads();
  if (threadIdx.x == 0) {
    AT(0), bulk_store(work.data, tile.address(0), 256);
    bulk_commit();
    if (!work.planted)
      bulk_wait_read<0>();
  }
  __syncthreads();
  AT(1), tile[threadIdx.x] = 2.0f;
  if (threadIdx.x == 0)
    bulk_wait<0>();
}

__global__ inline void store_not_committed(Work work) {
  Shared<float> tile(128);
  tile[threadIdx.x] = 1.0f;
  fence_proxy_async();
  __syncthreads();
  if (threadIdx.x == 0) {
    AT(0), bulk_store(work.data, tile.address(0), 256);
    if (!work.planted)
      bulk_commit();
    bulk_wait<0>();
  }
}

__global__ inline void neighbour_read_early(Work work) {
  Shared<float> tile(0);
  AT(0), tile[threadIdx.x] = static_cast<float>(cluster_rank());
  if (work.planted) {
    __syncthreads();
  } else {
    cluster_arrive();
    cluster_wait();
  }
  AT(1), work.data[threadIdx.x] = load_remote(map_shared(tile.address(threadIdx.x), cluster_rank() ^ 1));
  cluster_arrive();
  cluster_wait();
}

__global__ inline void cluster_wait_missing(Work work) {
  AT(0), cluster_arrive();
  if (!work.planted)
    cluster_wait();
  AT(1), cluster_arrive();
  cluster_wait();
}

__device__ inline uint64_t tile_descriptor(uint32_t offset) {
  return matrix_descriptor(Shared<float>(0).address() + offset, 16, 1024, Swizzle::bytes128);
}
__device__ inline void fill_tile() {
  Shared<unsigned> tile(0);
  for (unsigned i = threadIdx.x; i < 4096; i += blockDim.x)
    tile[i] = 0;
  fence_proxy_async();
  __syncthreads();
}

__global__ inline void accumulator_changed_in_flight(Work work) {
  fill_tile();
  float d[32] = {};
  wgmma_fence();
  AT(0), wgmma<Element::bf16>(d, tile_descriptor(0), tile_descriptor(8192), true);
  wgmma_commit();
  if (work.planted)
    d[3] = 1.0f;
  AT(1), wgmma_wait<0>();
  work.data[threadIdx.x] = d[0];
}

__global__ inline void descriptors_differ(Work work) {
  fill_tile();
  float d[32] = {};
  wgmma_fence();
  uint32_t offset = work.planted && threadIdx.x >= 96 ? 1024 : 0;
  AT(0), wgmma<Element::bf16>(d, tile_descriptor(offset), tile_descriptor(8192), true);
  wgmma_commit();
  wgmma_wait<0>();
}

__global__ inline void operand_overwritten(Work work) {
  fill_tile();
  Shared<unsigned> tile(0);
  float d[32] = {};
  wgmma_fence();
  AT(0), wgmma<Element::bf16>(d, tile_descriptor(0), tile_descriptor(8192), true);
  wgmma_commit();
  if (!work.planted)
    wgmma_wait<0>();
  __syncthreads();
  if (threadIdx.x == 0)
    AT(1), tile[0] = 1;
  wgmma_wait<0>();
}

__global__ inline void operand_without_fence(Work work) {
  fill_tile();
  Shared<unsigned> tile(0);
  if (threadIdx.x == 0)
    AT(0), tile[0] = 1;
  if (!work.planted)
    fence_proxy_async();
  __syncthreads();
  float d[32] = {};
  wgmma_fence();
  AT(1), wgmma<Element::bf16>(d, tile_descriptor(0), tile_descriptor(8192), true);
  wgmma_commit();
  wgmma_wait<0>();
}

} // namespace cudasim_test

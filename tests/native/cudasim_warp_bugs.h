// Kernels with one mistake each, as in cudasim_bugs.h: of lanes that should do something together.
#pragma once

#include "cudasim_planted.h"

namespace cudasim_test {

__global__ inline void syncwarp_missing(Work work) {
  Shared<float> tile(0);
  AT(0), tile[threadIdx.x] = work.data[threadIdx.x];
  if (!work.planted)
    __syncwarp();
  AT(1), work.data[threadIdx.x] = tile[threadIdx.x ^ 1];
}

// A shuffle brings lanes together but does not order memory.
__global__ inline void shuffle_as_fence(Work work) {
  Shared<float> tile(0);
  AT(0), tile[threadIdx.x] = work.data[threadIdx.x];
  __shfl_sync(0xffffffffu, 0, 0);
  if (!work.planted)
    __syncwarp();
  AT(1), work.data[threadIdx.x] = tile[threadIdx.x ^ 1];
}

__global__ inline void shuffle_from_absent_lane(Work work) {
  if (threadIdx.x < 16)
    AT(0), work.data[threadIdx.x] = __shfl_sync(0xffffu, 1.0f, work.planted ? 20 : 10);
}

__global__ inline void shuffle_outside_mask(Work work) {
  AT(0), __shfl_sync(work.planted ? 0xffffu : 0xffffffffu, 1.0f, 0);
}

__global__ inline void masks_differ(Work work) {
  if (threadIdx.x < (work.planted ? 16 : 8))
    AT(0), __ballot_sync(work.planted ? 0xffffffu : 0xffu, 1);
  else
    AT(1), __ballot_sync(0xffffff00u, 1);
}

__global__ inline void lane_never_comes(Work work) {
  if (threadIdx.x != 31 || !work.planted)
    AT(0), __syncwarp();
  AT(1), __syncthreads();
}

__global__ inline void product_of_half_a_warp(Work work) {
  float d[4] = {};
  uint32_t a[4] = {}, b[2] = {};
  if (threadIdx.x < 16 && work.planted)
    return;
  AT(0), mma_m16n8<Element::bf16>(d, a, b);
}

// Lanes may be at different instructions, as long as each one's mask names those that execute it.
__global__ inline void vote_beside_syncwarp(Work work) {
  if (threadIdx.x < 16)
    AT(0), __ballot_sync(work.planted ? 0x1ffffu : 0xffffu, 1);
  else
    __syncwarp(0xffff0000u);
  AT(1), __syncwarp();
}

// Lanes 16 to 31 wait for all, while the others shuffle among themselves before they come.
__global__ inline void shuffle_before_syncwarp(Work work) {
  if (threadIdx.x < 16)
    AT(0), __shfl_xor_sync(work.planted ? 0xffffffffu : 0xffffu, 1.0f, 8);
  AT(1), __syncwarp();
}

__global__ inline void vote_and_syncwarp_of_all(Work work) {
  if (threadIdx.x < 16)
    AT(0), __any_sync(work.planted ? 0xffffffffu : 0xffffu, 1);
  else
    AT(1), __syncwarp(work.planted ? 0xffffffffu : 0xffff0000u);
}

// Lanes may meet at two places in the source, but not in a vote for any and one for all.
__global__ inline void votes_differ(Work work) {
  if (threadIdx.x < 16)
    AT(0), __any_sync(0xffffffffu, 1);
  else if (work.planted)
    AT(1), __all_sync(0xffffffffu, 1);
  else
    __any_sync(0xffffffffu, 1);
}

template <class First, class Second> __device__ void in_halves(Work work, First first, Second second) {
  if (threadIdx.x < 16 || !work.planted)
    first();
  else
    second();
}

__global__ inline void ballot_and_any(Work work) {
  auto ballot = [] { AT(0), __ballot_sync(0xffffffffu, 1); };
  in_halves(work, ballot, [] { AT(1), __any_sync(0xffffffffu, 1); });
}

__global__ inline void shuffles_differ(Work work) {
  auto down = [] { AT(0), __shfl_down_sync(0xffffffffu, 1.0f, 1); };
  in_halves(work, down, [] { AT(1), __shfl_up_sync(0xffffffffu, 1.0f, 1); });
}

// A shuffle of 64 bits is two of 32 on a device: the second waits for ever.
__global__ inline void shuffles_of_two_sizes(Work work) {
  auto narrow = [] { AT(0), __shfl_xor_sync(0xffffffffu, 1.0f, 16); };
  in_halves(work, narrow, [] { AT(1), __shfl_xor_sync(0xffffffffu, 1.0, 16); });
}

// Each eight lanes wait for the next eight.
__global__ inline void masks_in_a_circle(Work work) {
  if (threadIdx.x < 8)
    AT(0), __ballot_sync(work.planted ? 0xffffu : 0xffu, 1);
  else if (threadIdx.x < 16)
    AT(1), __ballot_sync(work.planted ? 0xffff00u : 0xff00u, 1);
  else if (threadIdx.x < 24)
    __ballot_sync(work.planted ? 0xff00ffu : 0xff0000u, 1);
}

__device__ inline void multiply_zeros(sim::Site site = sim::Site::current()) {
  float d[4] = {};
  uint32_t a[4] = {}, b[2] = {};
  mma_m16n8<Element::bf16>(d, a, b, site);
}

__global__ inline void product_in_a_branch(Work work) {
  if (work.planted && threadIdx.x < 16)
    AT(0), multiply_zeros();
  else
    AT(1), multiply_zeros();
}

__global__ inline void product_beside_a_vote(Work work) {
  if (threadIdx.x < 16)
    AT(0), __ballot_sync(work.planted ? 0xffffffffu : 0xffffu, 1);
  AT(1), multiply_zeros();
}

__global__ inline void product_of_those_who_do_not_vote(Work work) {
  if (threadIdx.x < 16)
    __ballot_sync(0xffffu, 1);
  if (threadIdx.x >= 16 || !work.planted)
    AT(0), multiply_zeros();
}

} // namespace cudasim_test

// Stands before the source of a user's kernels: what the library's own kernels get by linking comes through the hooks.
#pragma once

#include "../executor/device.h"
#include "image.h"

namespace aios::sim {
namespace {
const ImageHooks *hooks;
}

void sync_warp(uint32_t mask, const Site &site) {
  hooks->warp_barrier(mask, site);
}

Ballot vote(WarpVote kind, uint32_t mask, bool predicate, const Site &site) {
  return hooks->vote(kind, mask, predicate, site);
}

uint64_t shuffle_bits(Shuffle kind, bool wide, uint32_t mask, uint64_t bits, int argument, int width,
                      const Site &site) {
  return hooks->shuffle(kind, wide, mask, bits, argument, width, site);
}

int sync_block(Vote vote, int predicate, const Site &site) {
  return hooks->block_barrier(vote, predicate, site);
}

void trap(const Site &site) {
  hooks->stop(site);
  __builtin_unreachable();
}

/// A kernel behind a signature that all have.
template <auto kernel> struct ImageEntry;
template <class... P, void (*kernel)(P...)> struct ImageEntry<kernel> {
  // One more than there are, so that a kernel without parameters has an array too.
  static constexpr std::size_t sizes[] = {sizeof(P)..., 0};
  static constexpr std::size_t count = sizeof...(P);

  static void call(void **parameters) { call(parameters, std::make_index_sequence<count>()); }

private:
  template <std::size_t... I> static void call([[maybe_unused]] void **parameters, std::index_sequence<I...>) {
    kernel(*static_cast<P *>(parameters[I])...);
  }
};

} // namespace aios::sim

#define threadIdx (aios::sim::hooks->thread_index())
#define blockIdx (aios::sim::hooks->block_index())
#define blockDim (aios::sim::hooks->block_extent())
#define gridDim (aios::sim::hooks->grid_extent())

// A block runs on one thread of the system: what is the thread's is the block's.
#define __shared__ static thread_local
#define __constant__ static
#define __noinline__

using uint3 = aios::sim::Dim3;
using dim3 = aios::sim::Dim3;

alignas(1024) static thread_local unsigned char aios_dynamic_shared[aios::sim::kMaxSharedBytes];

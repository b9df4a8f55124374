// What a user's kernels are compiled to, and cuModuleLoadData reads: a shared object behind a header. This file is a
// part of the library and of every such object.
#pragma once

#include <cstddef>
#include <cstdint>

#include "../executor/shared.h"
#include "../executor/warp.h"

namespace aios::sim {

/// What a user's kernels use of the library, which does not export it.
struct ImageHooks {
  const Dim3 &(*thread_index)();
  const Dim3 &(*block_index)();
  const Dim3 &(*block_extent)();
  const Dim3 &(*grid_extent)();
  decltype(&sim::sync_block) block_barrier;
  decltype(&sim::sync_warp) warp_barrier;
  decltype(&sim::vote) vote;
  decltype(&sim::shuffle_bits) shuffle;
  decltype(&sim::trap) stop;
};

/// One kernel of a shared object.
struct ImageKernel {
  const char *name; ///< Null behind the last.
  void (*entry)(void **parameters);
  const std::size_t *sizes; ///< Of the parameters, in bytes.
  std::size_t count;
};

/// The function that a shared object exports: it takes the hooks and gives its kernels.
constexpr const char *kImageSymbol = "aios_cudasim_image";
using ImageFunction = const ImageKernel *(*)(const ImageHooks *hooks);

/// Stands before the shared object in an image.
struct ImageHeader {
  char magic[8];
  std::uint64_t bytes; ///< Of the shared object.
};
constexpr char kImageMagic[8] = {'A', 'I', 'O', 'S', 'S', 'I', 'M', '1'};

} // namespace aios::sim

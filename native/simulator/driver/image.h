// What the stand-in for NVRTC compiles to, and cuModuleLoadData reads: a shared object behind a header.
#pragma once

#include <cstddef>
#include <cstdint>

namespace aios::sim::driver {

/// Stands before the shared object in an image.
struct ImageHeader {
  char magic[8];
  std::uint64_t bytes; ///< Of the shared object.
};
constexpr char kImageMagic[8] = {'A', 'I', 'O', 'S', 'S', 'I', 'M', '1'};

/// One kernel of a shared object, which exports an array of them that ends with a null name.
struct ImageKernel {
  const char *name;
  void (*entry)(void **parameters);
  const std::size_t *sizes; ///< Of the parameters, in bytes.
  std::size_t count;
};
constexpr const char *kImageSymbol = "aios_cudasim_image";

} // namespace aios::sim::driver

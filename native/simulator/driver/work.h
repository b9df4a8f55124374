// What streams and graphs are made of: one piece of work of a device.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "../executor/grid.h"
#include "cuda_api.h"

namespace aios::sim::driver {

struct Module;

/// What a user's kernel is called with: one pointer to each of its parameters.
using KernelEntry = void (*)(void **parameters);

struct Function {
  std::string name;
  Module *module = nullptr;            ///< Null for a kernel that is a part of this library.
  KernelEntry entry = nullptr;         ///< Null for a kernel that is a part of this library.
  std::vector<std::size_t> parameters; ///< Their sizes in bytes.
  int static_shared = 0;               ///< Bytes.
  int max_dynamic_shared = 49152;      ///< Bytes; raised by an attribute of the function.
};

/// The values that a kernel was launched with.
struct Arguments {
  std::vector<std::vector<std::byte>> values;
  std::vector<void *> pointers;  ///< To the values, or to `closure`.
  std::function<void()> closure; ///< Runs a thread of a kernel that is a part of this library.
};

struct EmptyWork {};

struct KernelWork {
  Function *function = nullptr;
  Dim3 grid, block, cluster;
  std::size_t shared_bytes = 0;
  bool cooperative = false;
  CUresult fault = CUDA_SUCCESS; ///< What it was chosen to fail with.
  std::shared_ptr<const Arguments> arguments;
};

struct CopyWork {
  std::uintptr_t to = 0, from = 0;
  std::size_t bytes = 0;
  std::shared_ptr<const std::vector<std::byte>> staged; ///< Read in place of `from` when it is not null.
};

struct FillWork {
  std::uintptr_t to = 0;
  std::uint32_t value = 0;
  std::size_t element_bytes = 1, width = 0, height = 1, pitch = 0;
};

struct HostWork {
  CUhostFn function = nullptr;
  CUstreamCallback callback = nullptr; ///< In place of `function`; it is called after errors, too.
  void *user = nullptr;
  CUstream stream = nullptr; ///< What the callback is told.
};

struct FreeWork {
  std::uintptr_t address = 0;
};

using Work = std::variant<EmptyWork, KernelWork, CopyWork, FillWork, HostWork, FreeWork>;

/// How a piece of work went.
struct Result {
  CUresult error = CUDA_SUCCESS;
  std::string report; ///< What happened, when it failed.
};

} // namespace aios::sim::driver

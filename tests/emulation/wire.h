// What the two processes of the emulated provider share: one region of memory at the same address in both, which holds
// all device memory and the slot of the call that is under way.
//
// Pointers to device memory therefore cross as they are. What lies in the caller's own memory is copied into the slot,
// and back: descriptors of kernels, and whatever a function of aios_cpu.h points to with a complete type.
#pragma once

#include <cstddef>
#include <cstdint>
#include <tuple>
#include <type_traits>

#include "aios_cpu.h"
#include "aios_kernels.h"
#include "common/generated/functions.g.h"
#include "common/status.h"

namespace aios::emulation {

/// Free in both address spaces: above the program and the heap, below the stack and the libraries.
constexpr uintptr_t kRegion = 0x3000'0000'0000;
constexpr size_t kRegionBytes = size_t{16} << 30;

/// The file descriptors with which the emulated process starts: the region, and a socket that carries one byte per
/// turn.
constexpr int kRegionFile = 3;
constexpr int kTurnFile = 4;

enum class Function : int32_t {
#define AIOS_FUNCTION(result, name, parameters, arguments) name,
  AIOS_KERNELS_FUNCTIONS(AIOS_FUNCTION) AIOS_CPU_FUNCTIONS(AIOS_FUNCTION)
#undef AIOS_FUNCTION
};

/// A call on its way and its result on the way back, at the start of the region.
struct Slot {
  char header_hash[72]; ///< Of the caller; the other side must have the same.
  Function function;
  int64_t result;
  char error[kErrorCapacity];
  alignas(64) std::byte arguments[4096]; ///< std::tuple of the Wire types.
};

/// A copy of what a pointer of the caller points to; absent for a null pointer.
template <class T> struct Copied {
  bool present;
  std::remove_const_t<T> value;
};

/// Whether kernels find structs of this type in device memory. All others are descriptors.
template <class T> constexpr bool is_table = false;
#define AIOS_TABLE(name) template <> inline constexpr bool is_table<name> = true;
AIOS_KERNELS_TABLES(AIOS_TABLE)
#undef AIOS_TABLE

enum class Header { Kernels, Device };

template <class T>
concept Complete = requires {
  sizeof(T);
};

/// Whether a parameter of type T * of a function of the header points to memory of the caller.
template <Header header, class T> constexpr bool of_the_caller() {
  if constexpr (std::is_function_v<T>)
    return false;
  else if constexpr (Complete<T>)
    return header == Header::Device || (std::is_class_v<T> && !is_table<std::remove_const_t<T>>);
  else
    return false;
}

/// How a parameter crosses: as it is, or as a copy of what it points to.
template <Header header, class P, class Target = std::remove_pointer_t<P>>
using WireType = std::conditional_t<std::is_pointer_v<P> && of_the_caller<header, Target>(), Copied<Target>, P>;

} // namespace aios::emulation

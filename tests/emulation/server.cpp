// The emulated process: it holds the real provider and runs the calls that client.cpp puts into the slot.
#include <cstdio>
#include <cstring>
#include <utility>

#include <sys/mman.h>
#include <unistd.h>

#include "wire.h"

namespace aios::emulation {
namespace {

template <class P> P receive(P &value) {
  return value;
}
template <class T> auto *receive(Copied<T> &copy) {
  return copy.present ? &copy.value : nullptr;
}

template <Header header, auto function, class Result, class... Parameters>
int64_t run(std::byte *arguments, Result (*)(Parameters...)) {
  auto &wire = *reinterpret_cast<std::tuple<WireType<header, Parameters>...> *>(arguments);
  static_assert(sizeof wire <= sizeof Slot::arguments);
  return std::apply([](auto &...values) { return function(receive(values)...); }, wire);
}

template <Header header, auto function> int64_t serve(std::byte *arguments) {
  return run<header, function>(arguments, function);
}

// In the order of Function.
int64_t (*const functions[])(std::byte *arguments) = {
#define AIOS_FUNCTION(result, name, parameters, arguments) serve<Header::Kernels, name>,
    AIOS_KERNELS_FUNCTIONS(AIOS_FUNCTION)
#undef AIOS_FUNCTION
#define AIOS_FUNCTION(result, name, parameters, arguments) serve<Header::Device, name>,
        AIOS_CPU_FUNCTIONS(AIOS_FUNCTION)
#undef AIOS_FUNCTION
};

int serve_all() {
  void *memory =
      mmap(reinterpret_cast<void *>(kRegion), kRegionBytes, PROT_READ | PROT_WRITE, MAP_SHARED, kRegionFile, 0);
  if (reinterpret_cast<uintptr_t>(memory) != kRegion) {
    std::fprintf(stderr, "the region cannot be mapped where the caller has it\n");
    return 1;
  }
  Slot &slot = *static_cast<Slot *>(memory);
  if (std::strcmp(slot.header_hash, aios_header_hash()) != 0) {
    std::fprintf(stderr, "the caller was built from other headers\n");
    return 1;
  }
  char turn = 1;
  while (write(kTurnFile, &turn, 1) == 1 && read(kTurnFile, &turn, 1) == 1) {
    slot.result = functions[static_cast<size_t>(slot.function)](slot.arguments);
    std::strncpy(slot.error, aios_last_error(), sizeof slot.error - 1);
  }
  return 0; // the caller is gone
}

} // namespace
} // namespace aios::emulation

int main() {
  return aios::emulation::serve_all();
}

#include "fiber.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <sys/mman.h>

namespace aios::sim {
namespace {

constexpr size_t kPage = 65536; // a multiple of every processor's page size
constexpr size_t kStack = 4 * kPage;
constexpr size_t kStride = kStack + kPage;
constexpr size_t kPerSlab = 64;

} // namespace

FiberPool::~FiberPool() {
  for (auto &fiber : fibers_)
    discard(fiber->context);
  for (void *slab : slabs_)
    munmap(slab, kStride * kPerSlab);
}

void FiberPool::add_slab() {
  void *slab = mmap(nullptr, kStride * kPerSlab, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (slab == MAP_FAILED) {
    std::fputs("aios: the simulator found no memory for the stacks of its threads\n", stderr);
    std::abort();
  }
  slabs_.push_back(slab);
  for (size_t i = 0; i < kPerSlab; ++i) {
    char *guard = static_cast<char *>(slab) + i * kStride;
    mprotect(guard, kPage, PROT_NONE);
    auto fiber = std::make_unique<Fiber>();
    fiber->stack = guard + kPage;
    prepare(fiber->context, fiber->stack, kStack, entry_);
    free_.push_back(fiber.get());
    fibers_.push_back(std::move(fiber));
  }
}

Fiber *FiberPool::take() {
  if (free_.empty())
    add_slab();
  Fiber *fiber = free_.back();
  free_.pop_back();
  return fiber;
}

void FiberPool::restart() {
  free_.clear();
  for (auto &fiber : fibers_) {
    prepare(fiber->context, fiber->stack, kStack, entry_);
    free_.push_back(fiber.get());
  }
}

bool FiberPool::is_guard(const void *address) const {
  for (void *slab : slabs_) {
    uintptr_t offset = reinterpret_cast<uintptr_t>(address) - reinterpret_cast<uintptr_t>(slab);
    if (offset < kStride * kPerSlab)
      return offset % kStride < kPage;
  }
  return false;
}

} // namespace aios::sim

// Fibers: contexts on pooled stacks with guard pages.
#pragma once

#include <memory>
#include <vector>

#include "context.h"

namespace aios::sim {

struct Fiber {
  Context context;
  void *stack = nullptr;
};

/// The fibers of one OS thread. They are never freed before the pool is, so that a launch costs no system call.
class FiberPool {
public:
  explicit FiberPool(void (*entry)()) : entry_(entry) {}
  ~FiberPool();
  FiberPool(const FiberPool &) = delete;
  FiberPool &operator=(const FiberPool &) = delete;

  /// A fiber that waits in `entry`, or one about to enter it.
  Fiber *take();
  void give(Fiber *fiber) { free_.push_back(fiber); }

  /// After a launch that was given up in the middle: every fiber starts from the beginning.
  void restart();

  /// Whether the address lies in the guard page below some fiber's stack.
  bool is_guard(const void *address) const;

private:
  void add_slab();

  void (*entry_)();
  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<Fiber *> free_;
  std::vector<void *> slabs_;
};

} // namespace aios::sim

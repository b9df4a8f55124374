// wgmma: matrix products of a warpgroup with operands in shared memory, and what is in flight of them.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "../executor/clock.h"
#include "../executor/thread.h"
#include "mma.h"

namespace aios::sim {

constexpr unsigned kWarpgroupWarps = 4;
constexpr unsigned kWarpgroupThreads = kWarpgroupWarps * kWarpSize;

/// One wgmma.mma_async m64nNk32B, as all four warps must issue it.
struct Product {
  Operand type;
  uint32_t columns; // N
  bool a_in_registers;
  bool a_transposed, b_transposed; // stored with M or N, not K, contiguous
  bool accumulates;                // scale-d
  uint64_t a, b;                   // descriptors
  bool operator==(const Product &) const = default;
};

/// A thread's accumulators while products that change them are in flight: its registers hold poison.
struct Accumulators {
  uint32_t *registers;
  std::vector<uint32_t> values;
  size_t last; // number of the last product
};

struct WarpgroupLane {
  std::vector<Accumulators> busy;
  // What the last wait left in registers: touching them needs a fence before they are used again.
  std::vector<Accumulators> settled;
  size_t retired = 0;
};

struct Issued {
  Product product;
  Site site;
  uint32_t warps = 0; // that have issued it
  uint32_t agent = 0, time = 0;
  bool executed = false;
  uint32_t *registers[kWarpgroupThreads];
  std::vector<uint32_t> a; // four per thread, if A is in registers
};

struct Warpgroup {
  std::vector<std::unique_ptr<Issued>> products;
  size_t issued = 0, executed = 0; // by all four warps
  struct WarpState {
    size_t issued = 0;
    std::vector<size_t> groups; // products issued when each group was closed
    bool fenced = false;        // since the last wait
    bool ever_fenced = false;
  } warps[kWarpgroupWarps];
  WarpgroupLane lanes[kWarpgroupThreads];
  std::vector<Thread *> waiting;
};

/// The current thread's part of a product. `registers` are its N / 2 accumulators; `a` the four registers of its part
/// of A, or null.
void wgmma(const Product &product, uint32_t *registers, const uint32_t *a, const Site &site);
void wgmma_fence(const Site &site);
void wgmma_commit(const Site &site);
/// Waits until at most the `newest` most recent groups are in flight.
void wgmma_wait(uint32_t newest, const Site &site);
/// A thread ends: nothing may be in flight.
void leave_warpgroup(Thread &thread);

} // namespace aios::sim

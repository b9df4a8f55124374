// The simulated threads, warps and blocks of the group that runs: one block, or those of one cluster.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "clock.h"
#include "fiber.h"
#include "shadow.h"
#include "types.h"

namespace aios::sim {

struct Block;
struct Warp;

/// What a suspended thread waits for, as the deadlock report tells it.
struct Wait {
  std::string (*describe)(const struct Thread &thread) = nullptr;
  Site site;
  uint32_t address = 0, parity = 0;
};

enum class State : uint8_t { fresh, ready, waiting, done };

struct Thread {
  Dim3 index;
  uint32_t id = 0;   // in its group; also its agent number
  uint32_t rank = 0; // in its block
  uint32_t lane = 0;
  Block *block = nullptr;
  Warp *warp = nullptr;
  Fiber *fiber = nullptr;
  State state = State::fresh;
  Wait wait;
  uint32_t time = 1; // its own component of the clocks
  Knowledge knowledge;
  void *operand = nullptr; // of the warp-wide operation that it waits in
};

struct Meeting;

/// A kind of operation in which lanes of a warp take part together.
struct WarpOp {
  const char *name;
  /// All lanes of the warp must be there and at the same place in the source, as for PTX's .sync.aligned.
  bool aligned;
  /// Whether it orders memory accesses among the lanes.
  bool ordered;
  /// Computes every lane's result from all operands; runs once, when the last lane has arrived.
  void (*complete)(Meeting &meeting);
};

/// Lanes that have arrived at a warp-wide operation, and for whom they wait.
struct Meeting {
  const WarpOp *op;
  Warp *warp;
  uint32_t mask, arrived;
  Site site;

  template <class Operand> Operand &operand(unsigned lane) const;
  Thread &thread(unsigned lane) const;
};

struct Warp {
  Block *block = nullptr;
  Thread *threads = nullptr; // of lane 0
  uint32_t index = 0;        // in its block
  uint32_t lanes = 0;        // that exist
  uint32_t alive = 0;        // of which these have not exited
  uint64_t frozen_until = 0;
  std::vector<Meeting> meetings;
};

inline Thread &Meeting::thread(unsigned lane) const {
  return warp->threads[lane];
}
template <class Operand> Operand &Meeting::operand(unsigned lane) const {
  return *static_cast<Operand *>(thread(lane).operand);
}

/// A warp on its way into a barrier: it counts when all of its lanes are there.
struct BarrierWarp {
  uint32_t lanes = 0;
  bool counted = false;
  Site site;
  Thread *first = nullptr;
};

/// One of a block's sixteen barriers.
struct Barrier {
  uint32_t expected = 0; // threads, in whole warps; 0 when nobody is there
  uint32_t arrived = 0;
  std::vector<BarrierWarp> warps;
  std::vector<Thread *> waiting;
  KnowledgeJoin released;
  Thread *first = nullptr; // of those that are there, and where it is
  Site site;
  int result = 0; // of __syncthreads_count and the like, while it is collected
};

struct Block {
  Dim3 index;
  uint32_t rank = 0; // in its group
  uint32_t alive = 0;
  uint32_t warp_count = 0;
  Thread *threads = nullptr;
  Warp *warps = nullptr;
  std::unique_ptr<SharedWindow> shared;
  Barrier barriers[kNamedBarriers];
  uint32_t busy_barriers = 0;
};

} // namespace aios::sim

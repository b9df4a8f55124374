// What is in flight for the threads of a group: asynchronous operations, their agents, and the barriers in shared
// memory that tell of their completion.
//
// Every operation gets an agent of its own, with a component in the clocks. Its accesses to shared memory are checked
// and noted when it is issued, on behalf of what the issuer knows then; they happen at a random time later. Whoever
// learns of the completion (a phase of an mbarrier, a wait for a group) has seen the agent, and only then may touch the
// bytes.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "../executor/engine.h"
#include "tensor_core.h"

namespace aios::sim {

struct Agent {
  uint32_t id, time;
};

/// An object that mbarrier.init makes in shared memory.
struct MBarrier {
  uint32_t expected = 0; // arrivals per phase
  uint32_t pending = 0;
  int64_t bytes = 0;  // that are still to come in this phase
  uint32_t phase = 0; // number of completed phases
  // Its initialisation must be known to who uses it, and fenced before an asynchronous operation does.
  uint32_t owner = 0, time = 0;
  bool fenced = false;
  Site site;
  KnowledgeJoin released; // of all arrivals so far
  Knowledge completed;    // what waiting for the last complete phase tells
  std::vector<Thread *> waiting;
};

/// A copy by cp.async.
struct ThreadCopy {
  uint32_t group;
  uint32_t destination;
  uint32_t size, source_size;
  const void *source;
  Site site;
};

/// A bulk copy out of shared memory, which its thread waits for by groups.
struct BulkOperation {
  Agent agent;
  bool read_done = false, done = false;
  uint32_t group = 0;
};

struct ThreadState {
  // cp.async: copies not yet written, and the number of the open group; the agent's time is the group's number.
  std::vector<ThreadCopy> copies;
  uint32_t copy_group = 1;
  uint32_t seen_group = 0; // the thread has waited for it and those before
  std::deque<BulkOperation> bulk;
  uint32_t bulk_group = 1;
  // The cluster's barrier: the phase in which the thread has arrived and not waited yet.
  bool arrived = false;
  uint32_t arrival = 0;
};

struct ClusterBarrier {
  uint32_t arrived = 0;
  uint32_t phase = 0;
  KnowledgeJoin released;
  Knowledge completed;
  std::vector<Thread *> waiting;
};

class Asynchrony {
public:
  /// A group begins: nothing is in flight.
  void begin();

  /// A thread has ended: what it has not waited for is a mistake.
  void leave(Thread &thread);
  /// The block's last thread has ended: nothing may still be going to its shared memory.
  void leave(Block &block);

  /// An operation of the current thread into or out of a block's shared memory.
  /// Somebody must have learnt of the end of what an mbarrier announces before the target exits.
  Agent start(const char *what, const Block *target, bool announced, const Site &site);
  void finish(Agent agent);
  /// "the TMA load that thread (0,0,0) issued at gemm.cu:80".
  std::string name(uint32_t agent) const;

  ThreadState &state(const Thread &thread) { return threads_[thread.id]; }
  Warpgroup &warpgroup(const Warp &warp);
  Warpgroup *existing_warpgroup(const Warp &warp); // null when it has executed no wgmma instruction
  /// The shared memory that an operation in flight works on.
  SharedWindow &target(Agent agent) const;
  std::map<uint64_t, MBarrier> &barriers() { return barriers_; }
  ClusterBarrier &cluster_barrier() { return cluster_barrier_; }

  /// The agent for a thread's cp.async copies.
  static uint32_t copy_agent(const Thread &thread) { return Engine::get().thread_count() + thread.id; }

private:
  struct Slot {
    uint32_t time = 0;
    uint32_t thread = 0;
    const char *what = nullptr;
    const Block *target = nullptr;
    bool announced = false;
    Site site;
  };
  static constexpr size_t kSlots = 256;

  std::vector<Slot> slots_;
  std::deque<uint32_t> free_; // longest free first: an agent's former operation is long known when it is used again
  std::vector<ThreadState> threads_;
  std::map<const Thread *, Warpgroup> warpgroups_; // by their first thread
  std::map<uint64_t, MBarrier> barriers_;
  ClusterBarrier cluster_barrier_;
};

/// A place in the shared memory of the group's blocks. An address without a rank is in the current thread's block.
struct Location {
  Block *block;
  uint32_t address;
  SharedWindow &window() const { return *block->shared; }
};
Location locate(uint32_t address, const Site &site);

/// The current thread knows that an operation is complete.
void acquire_agent(Thread &thread, Agent agent);

} // namespace aios::sim

// Threads that wait for each other: warp-wide operations and the barriers of a block.
#pragma once

#include "thread.h"
#include "warp.h"

namespace aios::sim {

/// The current thread takes part in `op` with the lanes of `mask`; returns when all that have not exited are there. The
/// last one to arrive runs op.complete.
void meet(const WarpOp &op, uint32_t mask, void *operand, const Site &site);

/// bar.sync: whole warps, `count` threads in all that sync or arrive.
void sync_named(unsigned id, unsigned count, const Site &site);
/// bar.arrive: the same without waiting.
void arrive_named(unsigned id, unsigned count, const Site &site);

/// The current thread has ended: those that wait for it need not, or never will be released.
void leave_warp(Thread &thread);
void leave_block(Thread &thread);

/// What a thread releases when it arrives somewhere: all it knows, its own accesses included.
void release_to(KnowledgeJoin &join, Thread &thread);
/// The thread knows what the join has gathered.
void acquire(Thread &thread, const Knowledge &knowledge);

} // namespace aios::sim

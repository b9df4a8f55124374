// mbarrier objects in shared memory, and the fences that go with them.
#pragma once

#include "asynchrony.h"

namespace aios::sim {

void mbarrier_init(uint32_t address, uint32_t count, const Site &site);
void mbarrier_invalidate(uint32_t address, const Site &site);
/// One arrival, which may announce bytes that asynchronous copies are going to bring.
void mbarrier_arrive(uint32_t address, uint32_t bytes, const Site &site);
void mbarrier_expect(uint32_t address, uint32_t bytes, const Site &site);
/// Whether the phase of this parity is complete; waits for it, but may give up at any time.
bool mbarrier_try_wait(uint32_t address, uint32_t parity, const Site &site);

/// fence.proxy.async: asynchronous operations may rely on what this thread knows to be written.
void fence_proxy_async();
/// fence.mbarrier_init: so may they on the barriers that this thread has initialised.
void fence_mbarrier_init();

/// The barrier that an asynchronous operation of the current thread is going to report to.
MBarrier &mbarrier_for_operation(Location location, const Site &site);
/// An operation has brought its bytes. `bytes` may come before the arrival that announces them.
void complete_bytes(MBarrier &barrier, uint32_t bytes, Agent agent);

} // namespace aios::sim

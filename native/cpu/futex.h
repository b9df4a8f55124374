// Sleeping until a number changes. std::atomic::wait spins and yields on its own before it sleeps; here the caller
// decides whether there is time to be wasted.
#pragma once

#include <atomic>
#include <climits>
#include <cstdint>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace aios::cpu {

static_assert(sizeof(std::atomic<uint32_t>) == sizeof(uint32_t), "the kernel looks at the number itself");

/// Sleeps while `word` is `expected`. May return early: the caller looks again.
inline void futex_wait(const std::atomic<uint32_t> &word, uint32_t expected) {
  syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, expected, nullptr, nullptr, 0);
}

/// Wakes whoever sleeps on `word`.
inline void futex_wake(const std::atomic<uint32_t> &word) {
  syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

} // namespace aios::cpu

// The trace: which command ran when, recorded into memory that was taken before.
#pragma once

#include <atomic>
#include <cstdint>

#include "command.h"

namespace aios::cpu::trace {

extern std::atomic<bool> recording;

/// All that is paid while no trace is recorded.
inline bool active() {
  return recording.load(std::memory_order_relaxed);
}

/// Where a command comes from.
struct Place {
  int64_t branch = 0;
  int64_t thread = 0;
  int64_t enqueued_ns = 0;
};

int64_t now();

/// The system's number of the calling thread.
int64_t thread_number();

/// Records a command that began at `start_ns` and has just ended. `stream` is its number.
void record(const Command &command, const Place &place, int64_t stream, int64_t start_ns);

} // namespace aios::cpu::trace

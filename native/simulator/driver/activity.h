// Activities: which call enqueued what, and what ran when, for those who listen through CUPTI (cupti.cpp).
#pragma once

#include "cupti_api.h"
#include "state.h"

namespace aios::sim::driver::activity {

/// Where work comes from.
struct Origin {
  std::uint32_t call = 0;  ///< The number of the call that enqueued it.
  std::uint32_t graph = 0; ///< The number of the graph's instance; 0 outside graphs.
  std::uint64_t node = 0;  ///< The number of the graph's node.
};

// What the driver tells.

/// Notes that the calling thread enqueues work; returns a number that is the call's own.
std::uint32_t note_call();

/// Notes that work ran between two times of `now_ns`. The driver's lock is not held.
void note(Driver &driver, const Stream &stream, const Work &work, const Origin &origin, std::int64_t start,
          std::int64_t end);

/// Writes what was noted to the listener's buffers: all of it, or only when it is much. No lock is held.
void deliver(bool everything);

// What the listener wants; cupti.h says what each means.

void listen(CUpti_BuffersCallbackRequestFunc request, CUpti_BuffersCallbackCompleteFunc complete);
void enable(CUpti_ActivityKind kind, bool enabled);
void push(CUpti_ExternalCorrelationKind kind, std::uint64_t id);
bool pop(CUpti_ExternalCorrelationKind kind, std::uint64_t &id);
void set_thread_id_type(CUpti_ActivityThreadIdType type);
/// How many records were lost since the last time.
std::size_t take_dropped();

/// The listener's clock: another than the host's, with another beginning and a little faster, as that of a device is.
std::uint64_t timestamp(std::int64_t ns);

/// The number of a device's primary context in records.
std::uint32_t context_id(const Device &device);

/// Bytes of a record; 0 for a kind that there are no records of.
std::size_t size_of(CUpti_ActivityKind kind);

} // namespace aios::sim::driver::activity

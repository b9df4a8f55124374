// Captures: between begin and end, what is enqueued to a stream becomes nodes of a graph instead of running. An event
// that is recorded in a capture is a fork: it stands for nodes instead of a point in the stream's order.
#pragma once

#include <cstdint>

#include "array.h"
#include "command.h"
#include "stream.h"

namespace aios::cpu {

struct Capture;

/// A stream's part in a capture.
struct Member {
  Capture *capture;
  aios_stream stream;
  int64_t branch;
  Array<int64_t> after; ///< The nodes that the stream's next node comes after.
  Member *next;
};

/// What an event stands for that was recorded in a capture. Holds a reference to the capture.
struct Fork {
  Capture *capture;
  Array<int64_t> after;
};

inline bool is_captured(aios_stream stream) {
  return stream->member.load(std::memory_order_relaxed) != nullptr;
}

/// The error of whoever waits for something that is being captured, or asks for it.
aios_status refuse_captured(const char *what);

/// Adds a command to the capture that the stream takes part in.
aios_status capture(aios_stream stream, const Command &command, const void *body);

/// Ends the part of a stream that is about to be destroyed.
void leave_capture(aios_stream stream);

/// A fork after all that the stream has captured so far; null when there is no memory.
Fork *make_fork(aios_stream stream);
void drop_fork(Fork *fork);

/// Makes what the stream is given from now on come after the fork, which may draw the stream into the capture.
aios_status join(aios_stream stream, const Fork &fork);

} // namespace aios::cpu

// How a kernel is stopped and what the report says.
#pragma once

#include <string>

#include "grid.h"
#include "thread.h"

namespace aios::sim {

/// Stops the launch with a report that names the current thread. May be called from any fiber; never returns.
[[noreturn]] [[gnu::format(printf, 3, 4)]] void stop(Fault fault, const Site &site, const char *format, ...);

/// The whole paragraph: the fault, what happened, and where.
std::string report_text(Fault fault, const Site &site, const std::string &what);

/// "file.cu:12", without the directories.
std::string place(const Site &site);

/// "thread (3,0,0) of block (0,1,0)"; for agents that work for a thread, that thread.
std::string thread_name(const Thread &thread);
std::string agent_name(uint32_t agent);

/// "(1,2,3)".
std::string triple(const Dim3 &index);

} // namespace aios::sim

// The calling thread's last error, shared by every library that exports aios.h.
#pragma once

#include <cstdarg>

#include "aios.h"

namespace aios {

/// Sets the text of the calling thread's last error (printf format, one line) and returns `status`.
[[gnu::format(printf, 2, 3)]] aios_status fail(aios_status status, const char *format, ...);

/// Formats a message of at most `capacity` - 1 bytes and replaces line breaks, so that an error is always one line.
void format_line(char *text, int capacity, const char *format, va_list arguments);

constexpr int kErrorCapacity = 512;

} // namespace aios

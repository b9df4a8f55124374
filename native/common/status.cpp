#include "status.h"

#include <cstdio>
#include <memory>

#include "generated/header_hash.g.h"

namespace aios {
namespace {

// A pointer, because the system keeps little room for the thread-local memory of all libraries together.
thread_local std::unique_ptr<char[]> last_error;

} // namespace

void format_line(char *text, int capacity, const char *format, va_list arguments) {
  if (std::vsnprintf(text, static_cast<size_t>(capacity), format, arguments) < 0)
    text[0] = '\0';
  for (char *c = text; *c != '\0'; ++c)
    if (*c == '\n' || *c == '\r')
      *c = ' ';
}

aios_status fail(aios_status status, const char *format, ...) {
  va_list arguments;
  if (last_error == nullptr)
    last_error = std::make_unique<char[]>(kErrorCapacity);
  va_start(arguments, format);
  format_line(last_error.get(), kErrorCapacity, format, arguments);
  va_end(arguments);
  return status;
}

} // namespace aios

extern "C" {

int32_t aios_abi_version(void) {
  return AIOS_ABI_VERSION;
}

const char *aios_header_hash(void) {
  return AIOS_HEADER_HASH;
}

const char *aios_last_error(void) {
  return aios::last_error == nullptr ? "" : aios::last_error.get();
}

const char *aios_status_name(aios_status status) {
  switch (status) {
  case AIOS_STATUS_OK:
    return "AIOS_STATUS_OK";
  case AIOS_STATUS_INVALID_ARGUMENT:
    return "AIOS_STATUS_INVALID_ARGUMENT";
  case AIOS_STATUS_UNIMPLEMENTED:
    return "AIOS_STATUS_UNIMPLEMENTED";
  case AIOS_STATUS_OUT_OF_MEMORY:
    return "AIOS_STATUS_OUT_OF_MEMORY";
  case AIOS_STATUS_NOT_READY:
    return "AIOS_STATUS_NOT_READY";
  case AIOS_STATUS_EXECUTION_FAILED:
    return "AIOS_STATUS_EXECUTION_FAILED";
  case AIOS_STATUS_INTERNAL:
    return "AIOS_STATUS_INTERNAL";
  default:
    return "unknown status";
  }
}
}

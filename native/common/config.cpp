#include "config.h"

#include <atomic>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace aios {
namespace {

// Hashes of the printed lines, in an open table: a lookup takes no lock. When it is full, lines repeat.
constexpr size_t kSlots = 4096;
std::atomic<uint64_t> printed[kSlots];

bool is_new(uint64_t hash) {
  for (size_t probe = 0; probe < kSlots; ++probe) {
    std::atomic<uint64_t> &slot = printed[(hash + probe) % kSlots];
    uint64_t found = 0;
    if (slot.compare_exchange_strong(found, hash))
      return true;
    if (found == hash)
      return false;
  }
  return true;
}

} // namespace

bool prints_config() {
  static const bool wanted = [] {
    const char *value = std::getenv("AIOS_PRINT_CONFIG");
    return value != nullptr && std::strcmp(value, "1") == 0;
  }();
  return wanted;
}

void print_config(const char *format, ...) {
  char line[256];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  uint64_t hash = 0xcbf29ce484222325u; // FNV-1a
  for (const char *p = line; *p != '\0'; ++p)
    hash = (hash ^ static_cast<unsigned char>(*p)) * 0x100000001b3u;
  if (is_new(hash == 0 ? 1 : hash))
    std::fprintf(stderr, "aios: %s\n", line);
}

} // namespace aios

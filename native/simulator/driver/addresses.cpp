#include "addresses.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace aios::sim::driver {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kAlignment = 512;

std::size_t round_up(std::size_t bytes, std::size_t to) {
  return (bytes + to - 1) / to * to;
}

void *address(std::uintptr_t value) {
  return reinterpret_cast<void *>(value);
}

std::string describe(const char *what, std::uintptr_t start, std::size_t bytes, const std::string &why) {
  char text[160];
  std::snprintf(text, sizeof text, "%s of %zu bytes at 0x%zx: ", what, bytes, static_cast<std::size_t>(start));
  return text + why;
}

} // namespace

bool Memory::take(std::size_t bytes) {
  if (bytes > capacity_ - used_) {
    return false;
  }
  used_ += bytes;
  return true;
}

std::int64_t Memory::extend(std::size_t bytes) {
  if (file_ < 0) {
    file_ = memfd_create("aios_cudasim", MFD_CLOEXEC);
  }
  std::int64_t offset = end_;
  if (file_ < 0 || ftruncate(file_, end_ + static_cast<std::int64_t>(bytes)) != 0) {
    return -1;
  }
  end_ += static_cast<std::int64_t>(bytes);
  return offset;
}

void Memory::discard(std::int64_t offset, std::size_t bytes) const {
  fallocate(file_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, static_cast<off_t>(bytes));
}

Physical::~Physical() {
  memory.discard(offset, bytes);
  memory.give(bytes);
}

std::uintptr_t Addresses::allocate(std::size_t bytes, Place place, int device) {
  std::size_t padded = round_up(bytes, kAlignment);
  std::size_t inside = round_up(padded, kPage);
  void *pages = mmap(nullptr, inside + kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (pages == MAP_FAILED) {
    return 0;
  }
  if (mprotect(pages, inside, PROT_READ | PROT_WRITE) != 0) {
    munmap(pages, inside + kPage);
    return 0;
  }
  std::uintptr_t start = reinterpret_cast<std::uintptr_t>(pages) + inside - padded;
  std::memset(address(start), kPoison, padded);
  Range &range = ranges_[start];
  range.start = start;
  range.bytes = bytes;
  range.place = place;
  range.device = device;
  range.pages = pages;
  range.page_bytes = inside + kPage;
  return start;
}

void Addresses::free(std::uintptr_t start) {
  auto found = ranges_.find(start);
  munmap(found->second.pages, found->second.page_bytes);
  ranges_.erase(found);
}

std::uintptr_t Addresses::reserve(std::size_t bytes, std::size_t alignment) {
  std::size_t room = bytes + alignment;
  void *pages = mmap(nullptr, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (pages == MAP_FAILED) {
    return 0;
  }
  std::uintptr_t given = reinterpret_cast<std::uintptr_t>(pages);
  std::uintptr_t start = round_up(given, alignment);
  if (start > given) {
    munmap(pages, start - given);
  }
  if (given + room > start + bytes) {
    munmap(address(start + bytes), given + room - start - bytes);
  }
  Range &range = ranges_[start];
  range.start = start;
  range.bytes = bytes;
  range.place = Place::reserved;
  range.pages = address(start);
  range.page_bytes = bytes;
  return start;
}

void Addresses::add_registered(std::uintptr_t start, std::size_t bytes, int device) {
  Range &range = ranges_[start];
  range.start = start;
  range.bytes = bytes;
  range.place = Place::registered;
  range.device = device;
}

Range *Addresses::find(std::uintptr_t address) {
  auto after = ranges_.upper_bound(address);
  if (after == ranges_.begin()) {
    return nullptr;
  }
  Range &range = std::prev(after)->second;
  return address < range.start + range.bytes ? &range : nullptr;
}

std::string Addresses::check(std::uintptr_t start, std::size_t bytes, bool write) {
  const char *what = write ? "write" : "read";
  Range *range = find(start);
  if (range == nullptr) {
    return describe(what, start, bytes, "no such memory");
  }
  if (bytes > range->start + range->bytes - start) {
    return describe(what, start, bytes, "the block ends after " + std::to_string(range->start + range->bytes - start));
  }
  if (range->place != Place::reserved) {
    return {};
  }
  for (std::uintptr_t at = start; at < start + bytes;) {
    auto after = range->mappings.upper_bound(at);
    if (after == range->mappings.begin()) {
      return describe(what, start, bytes, "nothing is mapped there");
    }
    auto mapping = std::prev(after);
    if (at >= mapping->first + mapping->second.bytes) {
      return describe(what, start, bytes, "nothing is mapped at offset " + std::to_string(at - start));
    }
    if (write ? !mapping->second.writable : !mapping->second.readable) {
      return describe(what, start, bytes, "the mapping does not allow it");
    }
    at = mapping->first + mapping->second.bytes;
  }
  return {};
}

bool Addresses::apply(std::uintptr_t start, const Mapping &mapping) {
  Physical &physical = *mapping.physical;
  int rights = (mapping.readable ? PROT_READ : 0) | (mapping.writable ? PROT_WRITE : 0);
  int first = physical.poisoned || rights == 0 ? rights : PROT_READ | PROT_WRITE;
  if (mmap(address(start), mapping.bytes, first, MAP_SHARED | MAP_FIXED, physical.memory.file(), physical.offset) ==
      MAP_FAILED) {
    return false;
  }
  if (!physical.poisoned && rights != 0) {
    std::memset(address(start), kPoison, mapping.bytes);
    physical.poisoned = true;
    mprotect(address(start), mapping.bytes, rights);
  }
  return true;
}

void Addresses::withdraw(std::uintptr_t start, std::size_t bytes) {
  mmap(address(start), bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

} // namespace aios::sim::driver

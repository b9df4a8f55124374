// Memory of the simulated devices: host memory at real addresses, of which the driver knows whose it is.
//
// A block of cuMemAlloc ends where an inaccessible page begins. Physical memory of the virtual memory calls is a part
// of a file that has no name; mapping it anywhere is mapping that part, and addresses without memory or without access
// rights are inaccessible to the process, too. All memory is NaN when it is given out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

namespace aios::sim::driver {

/// Smallest unit of physical memory and of its mappings, in bytes.
constexpr std::size_t kGranularity = std::size_t{2} << 20;

/// A byte of memory that nobody wrote: a NaN of every floating-point type.
constexpr int kPoison = 0xff;

/// The memory of one device: how much of it is taken, and the file behind its physical allocations.
class Memory {
public:
  explicit Memory(std::size_t capacity) : capacity_(capacity) {}
  Memory(const Memory &) = delete;
  Memory &operator=(const Memory &) = delete;

  std::size_t capacity() const { return capacity_; }
  std::size_t free() const { return capacity_ - used_; }

  /// Takes memory; false when there is not as much.
  bool take(std::size_t bytes);
  void give(std::size_t bytes) { used_ -= bytes; }

  /// Makes room in the file; -1 when the system has none. Offsets are never used again.
  std::int64_t extend(std::size_t bytes);
  void discard(std::int64_t offset, std::size_t bytes) const;
  int file() const { return file_; }

private:
  std::size_t capacity_;
  std::size_t used_ = 0;
  std::int64_t end_ = 0;
  int file_ = -1;
};

/// Physical memory without an address.
struct Physical {
  Physical(Memory &memory, int device, std::size_t bytes, std::int64_t offset)
      : memory(memory), device(device), bytes(bytes), offset(offset) {}
  Physical(const Physical &) = delete;
  Physical &operator=(const Physical &) = delete;
  ~Physical();

  Memory &memory;
  int device;
  std::size_t bytes;
  std::int64_t offset;
  bool poisoned = false;
};

/// A part of a reserved range that has memory.
struct Mapping {
  std::size_t bytes = 0;
  std::shared_ptr<Physical> physical;
  bool readable = false;
  bool writable = false;
};

enum class Place { device, reserved, pinned, registered };

struct Range {
  std::uintptr_t start = 0;
  std::size_t bytes = 0;
  Place place = Place::device;
  int device = 0;
  void *pages = nullptr; ///< What the system gave, with the inaccessible page; null when the user did.
  std::size_t page_bytes = 0;
  std::map<std::uintptr_t, Mapping> mappings; ///< Of a reserved range.

  bool on_host() const { return place == Place::pinned || place == Place::registered; }
};

/// All ranges of the process. Not safe for threads: the driver's lock protects it.
class Addresses {
public:
  /// A block in front of an inaccessible page; 0 when the system has no memory.
  std::uintptr_t allocate(std::size_t bytes, Place place, int device);
  /// Frees a block that begins at `start`.
  void free(std::uintptr_t start);

  /// Addresses without memory, at a multiple of `alignment`; 0 when the process may not have so many.
  std::uintptr_t reserve(std::size_t bytes, std::size_t alignment);
  void add_registered(std::uintptr_t start, std::size_t bytes, int device);
  void forget(std::uintptr_t start) { ranges_.erase(start); }

  /// The range that an address lies in; null for memory that the driver does not know.
  Range *find(std::uintptr_t address);

  /// Says in one line why some bytes cannot be accessed by a device; empty when they can.
  std::string check(std::uintptr_t start, std::size_t bytes, bool write);

  /// Applies the rights of a mapping to its addresses.
  static bool apply(std::uintptr_t start, const Mapping &mapping);
  /// Takes memory and rights from addresses, which stay reserved.
  static void withdraw(std::uintptr_t start, std::size_t bytes);

private:
  std::map<std::uintptr_t, Range> ranges_;
};

} // namespace aios::sim::driver

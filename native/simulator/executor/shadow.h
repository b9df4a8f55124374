// A block's shared memory and its shadow: for every 4 bytes, or single ones where a kernel accesses less at a time, who
// has written them last and who has read them since.
#pragma once

#include <cstdint>
#include <vector>

#include "types.h"

namespace aios::sim {

struct Thread;

/// How an access treats the bytes.
enum class Access : uint8_t { read, write, atomic };

/// Who accesses: a thread, or an agent that works for it asynchronously, as of some time of the agent's.
struct Accessor {
  uint32_t agent, time;
  uint32_t owner; ///< the thread on whose behalf, whose own accesses come before
  const struct Knowledge *knowledge;
  bool async; ///< by the asynchronous proxy, for which writes of the generic proxy must be fenced
  Site site;
  const char *what; ///< such as "wgmma", or null for a plain access
};

class SharedWindow {
public:
  /// A block with `bytes` of shared memory begins: all of it is poison, and nobody has accessed it.
  void begin(size_t bytes);

  size_t size() const { return size_; }
  /// The byte at an address of the block's window. Not checked.
  unsigned char *at(uint32_t address) { return bytes_ + (address - kSharedBase); }

  /// Checks that [address, address + size) may be accessed so now, reports what is wrong with it, and takes note of it.
  void access(const Accessor &accessor, Access kind, uint32_t address, uint32_t size);

  /// The same for one thread's plain access at a call site.
  void access(const Thread &thread, Access kind, uint32_t address, uint32_t size, Site site,
              const char *what = nullptr);

  /// Makes the bytes poison again, as when a stage is handed to an asynchronous copy.
  void poison(uint32_t address, uint32_t size);

private:
  struct Reader {
    Site site;
    const char *what;
    uint32_t time;
    uint32_t lanes;
    uint32_t next;
    uint16_t group; // agent / 32
    bool atomic;
  };
  struct Cell {
    Site site;
    const char *what = nullptr;
    uint32_t agent = 0;
    uint32_t time = 0; // 0 when nobody has written it
    uint32_t readers = 0;
    uint32_t split = 0; // first of four cells for single bytes
    bool async = false;
  };

  void split(Cell &cell);
  void touch(Cell &cell, const Accessor &accessor, Access kind, uint32_t offset, uint32_t size);
  void note_reader(Cell &cell, const Accessor &accessor, bool atomic);
  void drop_readers(Cell &cell);
  uint32_t new_reader();
  [[noreturn]] void report_race(const Accessor &accessor, Access kind, uint32_t offset, uint32_t size, uint32_t agent,
                                const Site &site, const char *what, Access other);

  std::vector<unsigned char> storage_;
  unsigned char *bytes_ = nullptr;
  size_t size_ = 0;
  std::vector<Cell> cells_;
  std::vector<Cell> split_;
  std::vector<Reader> readers_;
  uint32_t free_reader_ = 0;
};

} // namespace aios::sim

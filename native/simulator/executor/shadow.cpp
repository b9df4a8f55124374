#include "shadow.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "engine.h"
#include "report.h"

namespace aios::sim {
namespace {

constexpr uint32_t kGranule = 4;
constexpr unsigned char kPoison = 0xFF; // a NaN in every floating-point format

const char *verb(Access kind, bool past) {
  switch (kind) {
  case Access::read:
    return past ? "read" : "reads";
  case Access::write:
    return past ? "wrote" : "writes";
  default:
    return past ? "changed atomically" : "changes atomically";
  }
}

} // namespace

void SharedWindow::begin(size_t bytes) {
  size_ = bytes;
  size_t cells = (bytes + kGranule - 1) / kGranule;
  if (storage_.size() < bytes + 1024) {
    storage_.resize(bytes + 1024);
    bytes_ =
        reinterpret_cast<unsigned char *>((reinterpret_cast<uintptr_t>(storage_.data()) + 1023) & ~uintptr_t{1023});
  }
  std::memset(bytes_, kPoison, bytes);
  cells_.assign(cells, Cell{});
  split_.resize(kGranule); // the first four stand for "not split"
  readers_.resize(1);      // the first one stands for "none"
  free_reader_ = 0;
}

void SharedWindow::poison(uint32_t address, uint32_t size) {
  std::memset(at(address), kPoison, size);
}

void SharedWindow::access(const Thread &thread, Access kind, uint32_t address, uint32_t size, Site site,
                          const char *what) {
  access(Accessor{thread.id, thread.time, thread.id, &thread.knowledge, false, site, what}, kind, address, size);
}

void SharedWindow::access(const Accessor &accessor, Access kind, uint32_t address, uint32_t size) {
  if (address < kSharedBase || address - kSharedBase > size_ || size > size_ - (address - kSharedBase))
    stop(Fault::address, accessor.site, "%s accesses %u bytes at offset %lld of a block's %zu bytes of shared memory",
         accessor.what != nullptr ? accessor.what : "the thread", size, static_cast<long long>(address) - kSharedBase,
         size_);
  uint32_t begin = address - kSharedBase, end = begin + size;
  for (uint32_t at = begin; at < end;) {
    uint32_t granule = at / kGranule, stop_at = std::min(end, (granule + 1) * kGranule);
    Cell &cell = cells_[granule];
    if (cell.split == 0 && stop_at - at == kGranule) {
      touch(cell, accessor, kind, at, kGranule);
    } else {
      if (cell.split == 0)
        split(cell);
      for (uint32_t byte = at; byte < stop_at; ++byte)
        touch(split_[cell.split + byte % kGranule], accessor, kind, byte, 1);
    }
    at = stop_at;
  }
}

void SharedWindow::split(Cell &cell) {
  auto first = static_cast<uint32_t>(split_.size());
  for (uint32_t i = 0; i < kGranule; ++i) {
    Cell part = cell;
    part.readers = 0;
    // Each byte has a list of its own, as it loses it when it is written.
    for (uint32_t r = cell.readers; r != 0; r = readers_[r].next) {
      uint32_t copy = new_reader();
      uint32_t next = part.readers;
      readers_[copy] = readers_[r];
      readers_[copy].next = next;
      part.readers = copy;
    }
    split_.push_back(part);
  }
  cell.split = first;
}

uint32_t SharedWindow::new_reader() {
  if (free_reader_ != 0) {
    uint32_t reader = free_reader_;
    free_reader_ = readers_[reader].next;
    return reader;
  }
  readers_.emplace_back();
  return static_cast<uint32_t>(readers_.size() - 1);
}

void SharedWindow::touch(Cell &cell, const Accessor &accessor, Access kind, uint32_t offset, uint32_t size) {
  const Knowledge &knowledge = *accessor.knowledge;
  if (cell.time == 0) {
    if (kind != Access::write)
      stop(Fault::uninitialised, accessor.site, "%s%s %u bytes at offset %u, which nobody has written",
           accessor.what != nullptr ? accessor.what : "the thread", kind == Access::read ? " reads" : " changes", size,
           offset);
  } else {
    if (cell.agent != accessor.agent && cell.agent != accessor.owner &&
        !has_seen(knowledge.seen, cell.agent, cell.time))
      report_race(accessor, kind, offset, size, cell.agent, cell.site, cell.what, Access::write);
    if (accessor.async && !cell.async && !has_seen(knowledge.fenced, cell.agent, cell.time))
      stop(Fault::proxy, accessor.site,
           "%s %s offset %u of shared memory, where %s wrote at %s without a fence.proxy.async between them",
           accessor.what, verb(kind, false), offset, agent_name(cell.agent).c_str(), place(cell.site).c_str());
  }
  for (uint32_t r = cell.readers; r != 0; r = readers_[r].next) {
    const Reader &reader = readers_[r];
    if (kind != Access::write && reader.atomic == (kind == Access::atomic))
      continue;
    for (uint32_t lanes = reader.lanes; lanes != 0; lanes &= lanes - 1) {
      uint32_t agent = reader.group * 32u + static_cast<uint32_t>(std::countr_zero(lanes));
      if (agent != accessor.agent && agent != accessor.owner && !has_seen(knowledge.seen, agent, reader.time))
        report_race(accessor, kind, offset, size, agent, reader.site, reader.what,
                    reader.atomic ? Access::atomic : Access::read);
    }
  }
  if (kind != Access::write) {
    note_reader(cell, accessor, kind == Access::atomic);
    return;
  }
  drop_readers(cell);
  cell.site = accessor.site;
  cell.what = accessor.what;
  cell.agent = accessor.agent;
  cell.time = accessor.time;
  cell.async = accessor.async;
}

void SharedWindow::note_reader(Cell &cell, const Accessor &accessor, bool atomic) {
  uint32_t group = accessor.agent / 32, bit = 1u << accessor.agent % 32;
  for (uint32_t r = cell.readers; r != 0; r = readers_[r].next) {
    Reader &reader = readers_[r];
    if (reader.atomic != atomic)
      continue;
    if (reader.group == group && reader.time == accessor.time) {
      reader.lanes |= bit;
      return;
    }
    // What is ordered after this access is ordered after all that the accessor has seen: one entry is enough.
    uint32_t lanes = reader.lanes;
    while (lanes != 0) {
      uint32_t agent = reader.group * 32u + static_cast<uint32_t>(std::countr_zero(lanes));
      if (agent != accessor.agent && agent != accessor.owner && !has_seen(accessor.knowledge->seen, agent, reader.time))
        break;
      lanes &= lanes - 1;
    }
    if (lanes == 0) {
      uint32_t next = reader.next;
      reader = Reader{accessor.site, accessor.what, accessor.time, bit, next, static_cast<uint16_t>(group), atomic};
      return;
    }
  }
  uint32_t r = new_reader();
  readers_[r] =
      Reader{accessor.site, accessor.what, accessor.time, bit, cell.readers, static_cast<uint16_t>(group), atomic};
  cell.readers = r;
}

void SharedWindow::drop_readers(Cell &cell) {
  while (cell.readers != 0) {
    uint32_t r = cell.readers;
    cell.readers = readers_[r].next;
    readers_[r].next = free_reader_;
    free_reader_ = r;
  }
}

void SharedWindow::report_race(const Accessor &accessor, Access kind, uint32_t offset, uint32_t size, uint32_t agent,
                               const Site &site, const char *what, Access other) {
  std::string by = agent_name(agent);
  if (what != nullptr)
    by = std::string(what) + " of " + by;
  stop(Fault::race, accessor.site,
       "%s %s offset %u (%u bytes) of shared memory, which %s %s at %s, and nothing orders the two",
       accessor.what != nullptr ? accessor.what : "the thread", verb(kind, false), offset, size, by.c_str(),
       verb(other, true), place(site).c_str());
}

} // namespace aios::sim

#include "copy.h"

#include <cstring>

#include "../executor/report.h"
#include "../executor/sync.h"
#include "asynchrony.h"

namespace aios::sim {
namespace {

void write(const ThreadCopy &copy) {
  unsigned char *to = current->block->shared->at(copy.destination);
  std::memcpy(to, copy.source, copy.source_size);
  std::memset(to + copy.source_size, 0, copy.size - copy.source_size);
}

/// Makes the copies of the groups up to `last` visible to the thread.
void wait_until(uint32_t last) {
  Thread &thread = *current;
  ThreadState &state = Engine::get().asynchrony().state(thread);
  size_t kept = 0;
  for (const ThreadCopy &copy : state.copies) {
    if (copy.group <= last)
      write(copy);
    else
      state.copies[kept++] = copy;
  }
  state.copies.resize(kept);
  if (last > state.seen_group) {
    state.seen_group = last;
    acquire_agent(thread, Agent{Asynchrony::copy_agent(thread), last});
  }
}

} // namespace

void copy_async(uint32_t destination, const void *source, uint32_t size, uint32_t source_size, const Site &site) {
  Engine &engine = Engine::get();
  if (size != 4 && size != 8 && size != 16)
    stop(Fault::protocol, site, "cp.async of %u bytes", size);
  if (source_size > size)
    stop(Fault::protocol, site, "cp.async of %u bytes from a source of %u", size, source_size);
  if (destination % size != 0 || reinterpret_cast<uintptr_t>(source) % size != 0)
    stop(Fault::misaligned, site, "cp.async of %u bytes from %p to 0x%x, which are not both aligned to it", size,
         source, destination);
  Location location = locate(destination, site);
  if (location.block != current->block)
    stop(Fault::address, site, "cp.async into another block's shared memory");
  ThreadState &state = engine.asynchrony().state(*current);
  ++engine.counters().async_operations;
  location.window().access(Accessor{Asynchrony::copy_agent(*current), state.copy_group, current->id,
                                    &current->knowledge, false, site, "cp.async"},
                           Access::write, location.address, size);
  location.window().poison(location.address, size);
  ThreadCopy copy{state.copy_group, location.address, size, source_size, source, site};
  if (engine.random().below(4) == 0)
    write(copy); // may be as fast as that
  state.copies.push_back(copy);
}

void copy_commit() {
  ++Engine::get().asynchrony().state(*current).copy_group;
}

void copy_wait(uint32_t newest) {
  Engine::get().maybe_yield();
  uint32_t closed = Engine::get().asynchrony().state(*current).copy_group - 1;
  if (closed > newest)
    wait_until(closed - newest);
}

void copy_wait_all() {
  Engine::get().maybe_yield();
  ThreadState &state = Engine::get().asynchrony().state(*current);
  wait_until(state.copy_group++);
}

} // namespace aios::sim

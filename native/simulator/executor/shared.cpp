#include "shared.h"

#include <cstring>

#include "engine.h"
#include "report.h"

namespace aios::sim {
namespace {

unsigned char *check(Access kind, int64_t offset, uint32_t size, const Site &site) {
  Engine &engine = Engine::get();
  if (!engine.keeps_clocks())
    stop(Fault::address, site, "shared memory is accessed by a launch without any");
  SharedWindow &shared = *current->block->shared;
  if (offset < 0 || offset + size > static_cast<int64_t>(shared.size()))
    stop(Fault::address, site, "%u bytes at offset %lld are outside the block's %zu bytes of shared memory", size,
         static_cast<long long>(offset), shared.size());
  if (offset % (size < 16 ? size : 16) != 0)
    stop(Fault::misaligned, site, "%u bytes at offset %lld of shared memory are not aligned", size,
         static_cast<long long>(offset));
  auto address = static_cast<uint32_t>(kSharedBase + offset);
  shared.access(*current, kind, address, size, site);
  if (engine.launch().count_conflicts)
    engine.conflicts().note(*current, site, static_cast<uint32_t>(offset), size);
  return shared.at(address);
}

} // namespace

void load_shared(int64_t offset, uint32_t size, void *value, const Site &site) {
  Engine::get().counters().bytes_loaded += size;
  std::memcpy(value, check(Access::read, offset, size, site), size);
}

void store_shared(int64_t offset, uint32_t size, const void *value, const Site &site) {
  Engine::get().counters().bytes_stored += size;
  std::memcpy(check(Access::write, offset, size, site), value, size);
}

void *begin_atomic_shared(int64_t offset, uint32_t size, const Site &site) {
  return check(Access::atomic, offset, size, site);
}

} // namespace aios::sim

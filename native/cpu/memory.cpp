// Memory of the CPU device: blocks, copies and fills, and the description of the device itself.
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <sys/mman.h>
#include <unistd.h>

#include "adversary.h"
#include "aios_cpu.h"
#include "command.h"
#include "isa.h"
#include "launch.h"
#include "placement.h"
#include "topology.h"

using aios::enqueue;
using aios::fail;

namespace {

constexpr int64_t kHugePage = int64_t{2} << 20;
constexpr int64_t kAlignment = 64;

// A share of a copy: long enough that handing it out costs nothing, short enough for two workers to end together.
constexpr int64_t kCopyShare = 512 << 10;

int64_t mapped_bytes(int64_t bytes) {
  return (bytes + kHugePage - 1) / kHugePage * kHugePage;
}

/// A mapping of whole huge pages that starts at one, so that first touch costs one fault per 2 MiB instead of 512.
void *map_aligned(size_t size, int protection, int flags) {
  void *memory = mmap(nullptr, size + kHugePage, protection, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
  if (memory == MAP_FAILED)
    return nullptr;
  const uintptr_t start = reinterpret_cast<uintptr_t>(memory);
  const uintptr_t aligned = (start + kHugePage - 1) / kHugePage * kHugePage;
  if (aligned != start)
    munmap(memory, aligned - start);
  if (const uintptr_t rest = start + kHugePage - aligned; rest != 0)
    munmap(reinterpret_cast<void *>(aligned + size), rest);
  return reinterpret_cast<void *>(aligned);
}

void *map_huge(int64_t bytes) {
  const size_t size = static_cast<size_t>(mapped_bytes(bytes));
  void *memory = map_aligned(size, PROT_READ | PROT_WRITE, 0);
  if (memory != nullptr)
    madvise(memory, size, MADV_HUGEPAGE);
  return memory;
}

/// True for a size of whole huge pages, which is what ranges and their parts come in.
bool whole_pages(int64_t bytes) {
  return bytes > 0 && bytes % kHugePage == 0 && bytes <= INT64_MAX / 2;
}

aios_status check_part(const void *part, int64_t bytes) {
  if (part == nullptr || reinterpret_cast<uintptr_t>(part) % kHugePage != 0 || !whole_pages(bytes))
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "%lld bytes at %p are not whole pages of 2 MiB",
                static_cast<long long>(bytes), part);
  return AIOS_STATUS_OK;
}

/// Calls f(first, count) for each share of `bytes`.
template <class F> void for_shares(aios::Team &team, int64_t bytes, const F &f) {
  team.parallel_for((bytes + kCopyShare - 1) / kCopyShare, [&](int64_t share, int) {
    const int64_t first = share * kCopyShare;
    f(first, static_cast<size_t>(std::min(kCopyShare, bytes - first)));
  });
}

} // namespace

extern "C" {

aios_status aios_cpu_alloc(void **memory, int64_t bytes) {
  if (memory == nullptr || bytes < 1)
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "cannot allocate %lld bytes; ask for at least 1",
                static_cast<long long>(bytes));
  // Rounding up must not overflow, and no machine has half the address space.
  if (bytes > INT64_MAX / 2)
    *memory = nullptr;
  else if (bytes >= kHugePage)
    *memory = map_huge(bytes);
  else
    *memory = std::aligned_alloc(kAlignment, static_cast<size_t>((bytes + kAlignment - 1) / kAlignment * kAlignment));
  if (*memory == nullptr)
    return fail(AIOS_STATUS_OUT_OF_MEMORY, "the system has no block of %lld bytes", static_cast<long long>(bytes));
  return AIOS_STATUS_OK;
}

aios_status aios_cpu_free(void *memory, int64_t bytes) {
  if (memory == nullptr)
    return AIOS_STATUS_OK;
  if (bytes < 1)
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "bytes is %lld; give the size of the allocation",
                static_cast<long long>(bytes));
  if (bytes >= kHugePage)
    munmap(memory, static_cast<size_t>(mapped_bytes(bytes)));
  else
    std::free(memory);
  return AIOS_STATUS_OK;
}

aios_status aios_cpu_reserve(void **range, int64_t bytes) {
  if (range == nullptr || !whole_pages(bytes))
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "cannot reserve %lld bytes; a range has whole pages of 2 MiB",
                static_cast<long long>(bytes));
  *range = map_aligned(static_cast<size_t>(bytes), PROT_NONE, MAP_NORESERVE);
  if (*range == nullptr)
    return fail(AIOS_STATUS_OUT_OF_MEMORY, "the process may not have %lld more addresses",
                static_cast<long long>(bytes));
  return AIOS_STATUS_OK;
}

aios_status aios_cpu_commit(void *part, int64_t bytes) {
  if (const aios_status status = check_part(part, bytes); status != AIOS_STATUS_OK)
    return status;
  if (mprotect(part, static_cast<size_t>(bytes), PROT_READ | PROT_WRITE) != 0)
    return fail(AIOS_STATUS_OUT_OF_MEMORY, "the system has no %lld bytes for %p: %s", static_cast<long long>(bytes),
                part, std::strerror(errno));
  madvise(part, static_cast<size_t>(bytes), MADV_HUGEPAGE);
  return AIOS_STATUS_OK;
}

aios_status aios_cpu_decommit(void *part, int64_t bytes) {
  if (const aios_status status = check_part(part, bytes); status != AIOS_STATUS_OK)
    return status;
  if (madvise(part, static_cast<size_t>(bytes), MADV_DONTNEED) != 0 ||
      mprotect(part, static_cast<size_t>(bytes), PROT_NONE) != 0)
    return fail(AIOS_STATUS_INTERNAL, "%lld bytes at %p could not be given back: %s", static_cast<long long>(bytes),
                part, std::strerror(errno));
  return AIOS_STATUS_OK;
}

aios_status aios_cpu_release(void *range, int64_t bytes) {
  if (range == nullptr)
    return AIOS_STATUS_OK;
  if (const aios_status status = check_part(range, bytes); status != AIOS_STATUS_OK)
    return status;
  munmap(range, static_cast<size_t>(bytes));
  return AIOS_STATUS_OK;
}

aios_status aios_cpu_available_memory(int64_t *bytes) {
  if (bytes == nullptr)
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "bytes is null");
  *bytes = aios::cpu::available_memory();
  return AIOS_STATUS_OK;
}

aios_status aios_cpu_memcpy_async(aios_stream stream, void *destination, const void *source, int64_t bytes) {
  if (bytes < 0 || (bytes > 0 && (destination == nullptr || source == nullptr)))
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "memcpy of %lld bytes from %p to %p", static_cast<long long>(bytes),
                source, destination);
  const aios::cpu::Naming naming("copy", bytes);
  return enqueue(stream, [=](aios::Team &team) {
    for_shares(team, bytes, [=](int64_t first, size_t count) {
      std::memcpy(static_cast<char *>(destination) + first, static_cast<const char *>(source) + first, count);
    });
  });
}

aios_status aios_cpu_memset_async(aios_stream stream, void *destination, int32_t value, int64_t bytes) {
  if (bytes < 0 || (bytes > 0 && destination == nullptr) || value < 0 || value > 255)
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "memset of %lld bytes at %p to %d", static_cast<long long>(bytes),
                destination, value);
  const aios::cpu::Naming naming("fill", bytes);
  return enqueue(stream, [=](aios::Team &team) {
    for_shares(team, bytes, [=](int64_t first, size_t count) {
      std::memset(static_cast<char *>(destination) + first, value, count);
    });
  });
}

aios_status aios_cpu_get_info(aios_cpu_info *info) {
  if (info == nullptr)
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "info is null");
  for (const char *problem : {aios::cpu::isa_problem(), aios::cpu::threads_problem(), aios::cpu::adversary::problem()})
    if (problem != nullptr)
      return fail(AIOS_STATUS_INVALID_ARGUMENT, "%s", problem);
  std::memset(info, 0, sizeof *info);
  aios::cpu::processor_name(info->name, sizeof info->name);
  std::snprintf(info->isa, sizeof info->isa, "%s", aios::cpu::isa_name(aios::cpu::active_isa()));
  info->threads = aios::pool_threads();
  info->cores = aios::cpu::affinity_cores();
  info->memory_bytes = static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
  info->l1_bytes = aios::cpu::cache_bytes(1);
  info->l2_bytes = aios::cpu::cache_bytes(2);
  info->l3_bytes = aios::cpu::cache_bytes(3);
  const double quota = aios::cpu::quota_cores();
  info->quota = quota < aios::cpu::kNoQuota ? quota : 0;
  return AIOS_STATUS_OK;
}
}

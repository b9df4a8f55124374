#include "topology.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <sched.h>
#include <unistd.h>

namespace aios::cpu {
namespace {

/// Reads the first line of a small file; false when there is none.
bool read_line(const char *path, char *line, int capacity) {
  FILE *file = std::fopen(path, "re");
  if (file == nullptr)
    return false;
  const bool read = std::fgets(line, capacity, file) != nullptr;
  std::fclose(file);
  return read;
}

/// Processors that one control group directory allows; `v1` chooses the names of its files.
double group_quota(const char *directory, bool v1) {
  char path[1200], line[128];
  double quota = 0, period = 0;
  if (v1) {
    std::snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", directory);
    if (!read_line(path, line, sizeof line) || (quota = std::atof(line)) <= 0)
      return kNoQuota;
    std::snprintf(path, sizeof path, "%s/cpu.cfs_period_us", directory);
    if (!read_line(path, line, sizeof line) || (period = std::atof(line)) <= 0)
      return kNoQuota;
    return quota / period;
  }
  std::snprintf(path, sizeof path, "%s/cpu.max", directory);
  if (!read_line(path, line, sizeof line) || std::sscanf(line, "%lf %lf", &quota, &period) != 2 || period <= 0)
    return kNoQuota; // "max 100000", or the root group, which has no such file
  return quota / period;
}

/// The lowest quota from `group` up to the root of the hierarchy: a parent limits all its children.
double hierarchy_quota(const char *root, const char *group, bool v1) {
  char directory[1024];
  std::snprintf(directory, sizeof directory, "%s%s", root, group);
  double quota = kNoQuota;
  for (;;) {
    quota = std::min(quota, group_quota(directory, v1));
    char *slash = std::strrchr(directory, '/');
    if (slash == nullptr || static_cast<size_t>(slash - directory) < std::strlen(root))
      return std::min(quota, group_quota(root, v1));
    *slash = '\0';
  }
}

/// True when "cpu" is one of the names between commas; the order differs between systems.
bool names_cpu(const char *controllers) {
  for (const char *name = controllers; name != nullptr; name = std::strchr(name, ',')) {
    name += *name == ',';
    if (std::strncmp(name, "cpu", 3) == 0 && (name[3] == ',' || name[3] == '\0'))
      return true;
  }
  return false;
}

} // namespace

int affinity_cores() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0)
    return std::max(1, CPU_COUNT(&set));
  // More processors than a cpu_set_t holds.
  return static_cast<int>(std::max(1L, sysconf(_SC_NPROCESSORS_ONLN)));
}

double quota_cores(const char *root) {
  char membership[512], unified[512], legacy[512];
  std::snprintf(membership, sizeof membership, "%s/proc/self/cgroup", root);
  std::snprintf(unified, sizeof unified, "%s/sys/fs/cgroup", root);
  std::snprintf(legacy, sizeof legacy, "%s/sys/fs/cgroup/cpu", root);
  FILE *file = std::fopen(membership, "re");
  if (file == nullptr)
    return kNoQuota;
  double quota = kNoQuota;
  char line[1024];
  while (std::fgets(line, sizeof line, file) != nullptr) {
    // hierarchy:controllers:path, where v2 has hierarchy 0 and no controllers.
    line[std::strcspn(line, "\n")] = '\0';
    char *controllers = std::strchr(line, ':');
    char *path = controllers == nullptr ? nullptr : std::strchr(controllers + 1, ':');
    if (path == nullptr)
      continue;
    *path++ = '\0';
    ++controllers;
    if (controllers[0] == '\0') {
      quota = std::min(quota, hierarchy_quota(unified, path, false));
    } else if (names_cpu(controllers)) {
      quota = std::min(quota, hierarchy_quota(legacy, path, true));
    }
  }
  std::fclose(file);
  return quota;
}

int64_t cache_bytes(int level) {
  // The C library asks the processor, which inside a virtual machine may describe the whole host; the kernel's own
  // description comes first.
  for (int index = 0; index < 8; ++index) {
    char path[96], line[64];
    std::snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/level", index);
    if (!read_line(path, line, sizeof line))
      break;
    if (std::atoi(line) != level)
      continue;
    std::snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/type", index);
    if (!read_line(path, line, sizeof line) || line[0] == 'I')
      continue;
    std::snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/size", index);
    if (!read_line(path, line, sizeof line))
      continue;
    char unit = 'K';
    long long size = 0;
    std::sscanf(line, "%lld%c", &size, &unit);
    return size << (unit == 'M' ? 20 : 10);
  }
  constexpr int names[] = {_SC_LEVEL1_DCACHE_SIZE, _SC_LEVEL2_CACHE_SIZE, _SC_LEVEL3_CACHE_SIZE};
  return std::max(0L, sysconf(names[level - 1]));
}

int64_t available_memory() {
  long long kilobytes = 0;
  if (FILE *file = std::fopen("/proc/meminfo", "re"); file != nullptr) {
    char line[128];
    while (std::fgets(line, sizeof line, file) != nullptr && std::sscanf(line, "MemAvailable: %lld", &kilobytes) != 1)
      ;
    std::fclose(file);
  }
  return kilobytes > 0 ? kilobytes << 10 : static_cast<int64_t>(sysconf(_SC_AVPHYS_PAGES)) * sysconf(_SC_PAGESIZE);
}

void processor_name(char *name, int capacity) {
  std::snprintf(name, static_cast<size_t>(capacity), "unknown processor");
  FILE *file = std::fopen("/proc/cpuinfo", "re");
  if (file == nullptr)
    return;
  char line[512];
  while (std::fgets(line, sizeof line, file) != nullptr) {
    if (std::strncmp(line, "model name", 10) != 0)
      continue;
    if (const char *colon = std::strchr(line, ':')) {
      line[std::strcspn(line, "\n")] = '\0';
      std::snprintf(name, static_cast<size_t>(capacity), "%s", colon + 1 + (colon[1] == ' '));
    }
    break;
  }
  std::fclose(file);
}

} // namespace aios::cpu

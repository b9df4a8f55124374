#include "placement.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include <sched.h>
#include <unistd.h>

#include "pool.h"
#include "topology.h"

namespace aios::cpu {
namespace {

/// True when the parent may use processors that this process may not: somebody has given it some of its own.
bool bound_by_launcher() {
  cpu_set_t mine, parents;
  if (sched_getaffinity(0, sizeof mine, &mine) != 0 || sched_getaffinity(getppid(), sizeof parents, &parents) != 0)
    return false;
  return CPU_COUNT(&mine) < CPU_COUNT(&parents);
}

int local_ranks() {
  constexpr const char *names[] = {"AIOS_LOCAL_RANKS", "LOCAL_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_SIZE",
                                   "MPI_LOCALNRANKS"};
  for (const char *name : names)
    if (const int ranks = positive_variable(name, 1 << 20); ranks > 0)
      return bound_by_launcher() ? 1 : ranks;
  return 1;
}

} // namespace

int positive_variable(const char *name, int most) {
  const char *text = std::getenv(name);
  if (text == nullptr || text[0] == '\0')
    return 0;
  char *end = nullptr;
  const long value = std::strtol(text, &end, 10);
  return *end == '\0' && value >= 1 && value <= most ? static_cast<int>(value) : -1;
}

double Resources::share() const {
  return std::min<double>(cores, quota) / local_ranks;
}

int workers_for(const Resources &resources) {
  // Half a core of quota is best used by one more worker; half a core of another rank is not this one's.
  const double share = resources.share();
  const double whole = resources.local_ranks > 1 ? std::floor(share) : std::ceil(share);
  return static_cast<int>(std::clamp<double>(whole, 1, kMaxThreads));
}

bool enough_for(const Resources &resources, int workers) {
  return workers <= resources.share();
}

Resources measure_resources() {
  return {affinity_cores(), quota_cores(), local_ranks()};
}

int default_workers() {
  const int wish = positive_variable("AIOS_CPU_THREADS", kMaxThreads);
  return wish > 0 ? wish : workers_for(measure_resources());
}

bool has_cores_for(int workers) {
  return enough_for(measure_resources(), workers);
}

const char *threads_problem() {
  return positive_variable("AIOS_CPU_THREADS", kMaxThreads) < 0
             ? "AIOS_CPU_THREADS must be a number of workers, 1 to 1024"
             : nullptr;
}

} // namespace aios::cpu

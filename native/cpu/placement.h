// How many workers this process should have, and whether each has a core to itself.
#pragma once

#include "topology.h"

namespace aios::cpu {

/// What decides it.
struct Resources {
  int cores = 1;           ///< processors in the affinity mask
  double quota = kNoQuota; ///< processors' worth of time that the control groups leave
  int local_ranks = 1;     ///< processes of the same job that share these processors

  /// Processors' worth of time for this process alone.
  double share() const;
};

/// The number of workers that uses the share and no more, at least 1.
int workers_for(const Resources &resources);

/// True when so many workers do not wait for each other's cores.
bool enough_for(const Resources &resources, int workers);

/// What this process has. The launcher's word counts for the ranks (AIOS_LOCAL_RANKS, else what torchrun, Open MPI and
/// MPICH set), unless it has bound this process to fewer processors than its parent may use: then they are its own.
Resources measure_resources();

/// AIOS_CPU_THREADS, or else what the resources suggest.
int default_workers();

/// enough_for of the resources as they are now.
bool has_cores_for(int workers);

/// The positive number, at most `most`, that a variable of the environment holds; 0 without one, -1 for anything else.
int positive_variable(const char *name, int most);

/// Null, or a line that says why the value of AIOS_CPU_THREADS cannot be used.
const char *threads_problem();

} // namespace aios::cpu

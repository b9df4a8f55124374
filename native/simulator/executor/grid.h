// Running a grid: the seam between the simulated driver and the executor.
#pragma once

#include <functional>
#include <string>

#include "types.h"

namespace aios::sim {

/// One kernel launch. `body` is run once per thread; `threadIdx` and the like tell it which one it is.
struct Launch {
  const char *name = "";
  Dim3 grid, block, cluster;
  size_t shared_bytes = 0;
  std::function<void()> body;
  uint64_t seed = 1;
  /// All blocks of the grid run side by side, as in a cooperative launch. Blocks of a cluster always do.
  bool cooperative = false;
  /// Whether bank conflicts are counted, which makes every access to shared memory slower.
  bool count_conflicts = false;
};

/// What went wrong, for the status of the driver's context and for tests.
enum class Fault {
  none,
  configuration, ///< the launch itself is outside the device's limits
  address,       ///< an address outside what may be accessed
  misaligned,    ///< an address that is not aligned as the instruction wants it
  uninitialised, ///< a read of shared memory that nobody has written
  race,          ///< two accesses that nothing orders, one of them a write
  proxy,         ///< ordered accesses of different proxies without a proxy fence between them
  divergence,    ///< threads that should execute one instruction together do not
  deadlock,      ///< nobody can continue
  protocol,      ///< a misuse of a barrier, of a descriptor or of an asynchronous operation
};

/// The fault's name as reports print it, such as "race".
const char *fault_name(Fault fault);

struct Counters {
  uint64_t threads = 0;
  uint64_t switches = 0;
  /// Times that all threads of a barrier had arrived: __syncthreads and named barriers.
  uint64_t barriers = 0;
  /// Bytes of shared memory that plain loads and stores have accessed.
  uint64_t bytes_loaded = 0;
  uint64_t bytes_stored = 0;
  /// Extra passes that shared memory needs because lanes of a warp ask for different words of one bank.
  uint64_t bank_conflicts = 0;
  uint64_t async_operations = 0;

  Counters &operator+=(const Counters &other) {
    threads += other.threads;
    switches += other.switches;
    barriers += other.barriers;
    bytes_loaded += other.bytes_loaded;
    bytes_stored += other.bytes_stored;
    bank_conflicts += other.bank_conflicts;
    async_operations += other.async_operations;
    return *this;
  }
};

struct Outcome {
  bool ok = true;
  Fault fault = Fault::none;
  /// One paragraph: what, kernel, file and line, block and thread, seed. Empty when ok.
  std::string message;
  Counters counters;
};

/// Runs the grid on the calling thread. The same launch with the same seed takes the same course.
Outcome run_grid(const Launch &launch);

} // namespace aios::sim

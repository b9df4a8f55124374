// Enqueuing a launch: the seam between the kernels' launchers and the simulated driver, which implements it.
#pragma once

#include "aios.h"
#include "grid.h"

namespace aios::sim {

/// Enqueues the launch on a stream of the simulated driver, whose seed it gets. Its arguments are checked at once; what
/// goes wrong while it runs is reported by the stream, as by the real driver. Sets the thread's last error.
aios_status enqueue_launch(aios_stream stream, Launch launch);

} // namespace aios::sim

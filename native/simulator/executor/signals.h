// Invalid addresses that a kernel touches become reports.
#pragma once

namespace aios::sim {

/// While it lives, faults of simulated threads on this OS thread are handled; those of others go to whoever handled
/// them before.
class SignalGuard {
public:
  SignalGuard();
};

} // namespace aios::sim

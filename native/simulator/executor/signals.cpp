#include "signals.h"

#include <csignal>
#include <mutex>
#include <vector>

#include "engine.h"

namespace aios::sim {
namespace {

constexpr size_t kSignalStack = 65536;

struct sigaction previous_segv, previous_bus;

void handle(int number, siginfo_t *info, void *machine_context) {
  if (current != nullptr && Engine::get().stop_from_signal(info->si_addr, machine_context))
    return;
  const struct sigaction &previous = number == SIGSEGV ? previous_segv : previous_bus;
  if ((previous.sa_flags & SA_SIGINFO) != 0)
    previous.sa_sigaction(number, info, machine_context);
  else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN)
    previous.sa_handler(number);
  else
    std::signal(number, SIG_DFL); // the instruction runs again, and the process ends as it would have
}

/// A stack for the handler: a kernel may have overflowed its own.
struct SignalStack {
  std::vector<char> bytes;
  bool ours = false;

  SignalStack() {
    stack_t old{};
    if (sigaltstack(nullptr, &old) != 0 || (old.ss_flags & SS_DISABLE) == 0)
      return;
    bytes.resize(kSignalStack);
    stack_t stack{};
    stack.ss_sp = bytes.data();
    stack.ss_size = bytes.size();
    ours = sigaltstack(&stack, nullptr) == 0;
  }
  ~SignalStack() {
    stack_t none{};
    none.ss_flags = SS_DISABLE;
    if (ours)
      sigaltstack(&none, nullptr);
  }
};

} // namespace

SignalGuard::SignalGuard() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action {};
    action.sa_sigaction = handle;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigaction(SIGSEGV, &action, &previous_segv);
    sigaction(SIGBUS, &action, &previous_bus);
  });
  static thread_local SignalStack stack;
  (void)stack.ours;
}

} // namespace aios::sim

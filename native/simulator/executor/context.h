// Switching between stacks within one OS thread, without a system call.
#pragma once

#include <cstddef>

namespace aios::sim {

/// A suspended flow of control: its stack pointer, and what the sanitizers must be told about its stack.
struct Context {
  void *stack_pointer = nullptr;
  const void *stack_bottom = nullptr;
  size_t stack_size = 0;
  void *fake_stack = nullptr; // address sanitizer's
  void *tsan_fiber = nullptr; // thread sanitizer's
};

/// Describes the calling OS thread's own stack, to which fibers return.
void adopt_thread(Context &context);

/// Prepares a context that calls `entry`, which never returns, on a stack of its own. What an earlier user of the
/// stack has left there is forgotten.
void prepare(Context &context, void *stack, size_t size, void (*entry)());

/// To be called first by a context's `entry`.
void entered();

/// Forgets a prepared context.
void discard(Context &context);

/// Suspends the caller in `from` and continues `to`; returns when somebody switches back.
void switch_context(Context &from, Context &to);

/// Makes a signal handler's interrupted code continue as `to` when the handler returns. What was interrupted is lost.
void continue_from_signal(Context &from, Context &to, void *machine_context);

} // namespace aios::sim

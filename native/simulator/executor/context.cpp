#include "context.h"

#include <cstdint>
#include <cstring>
#include <pthread.h>
#include <ucontext.h>

// clang tells of its sanitizers in another way.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#elif __has_feature(thread_sanitizer)
#define __SANITIZE_THREAD__ 1
#endif
#endif

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#elif defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

extern "C" {
/// Pushes the registers that a call preserves, stores the stack pointer to *save, and continues at `load`.
void aios_sim_switch(void **save, void *load);
/// The second half of it: continues the context whose stack pointer is set.
void aios_sim_resume();
}

#if defined(__x86_64__)
asm(R"(
.text
.p2align 4
.globl aios_sim_switch
.hidden aios_sim_switch
.type aios_sim_switch,@function
aios_sim_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
.globl aios_sim_resume
.hidden aios_sim_resume
.type aios_sim_resume,@function
aios_sim_resume:
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size aios_sim_switch,.-aios_sim_switch
)");
#elif defined(__aarch64__)
asm(R"(
.text
.p2align 4
.globl aios_sim_switch
.hidden aios_sim_switch
.type aios_sim_switch,%function
aios_sim_switch:
  stp x19, x20, [sp, #-160]!
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
.globl aios_sim_resume
.hidden aios_sim_resume
.type aios_sim_resume,%function
aios_sim_resume:
  ldp d14, d15, [sp, #144]
  ldp d12, d13, [sp, #128]
  ldp d10, d11, [sp, #112]
  ldp d8, d9, [sp, #96]
  ldp x29, x30, [sp, #80]
  ldp x27, x28, [sp, #64]
  ldp x25, x26, [sp, #48]
  ldp x23, x24, [sp, #32]
  ldp x21, x22, [sp, #16]
  ldp x19, x20, [sp], #160
  ret
.size aios_sim_switch,.-aios_sim_switch
)");
#else
#error "the simulator switches stacks on x86-64 and aarch64"
#endif

namespace aios::sim {
namespace {

void announce([[maybe_unused]] Context &from, [[maybe_unused]] Context &to) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&from.fake_stack, to.stack_bottom, to.stack_size);
#elif defined(__SANITIZE_THREAD__)
  __tsan_switch_to_fiber(to.tsan_fiber, 0);
#endif
}

} // namespace

void adopt_thread(Context &context) {
  pthread_attr_t attributes;
  if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
    void *bottom = nullptr;
    pthread_attr_getstack(&attributes, &bottom, &context.stack_size);
    context.stack_bottom = bottom;
    pthread_attr_destroy(&attributes);
  }
#if defined(__SANITIZE_THREAD__)
  context.tsan_fiber = __tsan_get_current_fiber();
#endif
}

void prepare(Context &context, void *stack, size_t size, void (*entry)()) {
  discard(context);
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(stack, size);
#elif defined(__SANITIZE_THREAD__)
  context.tsan_fiber = __tsan_create_fiber(0);
#endif
  context.stack_bottom = stack;
  context.stack_size = size;
  auto *top = reinterpret_cast<void **>(static_cast<char *>(stack) + size);
#if defined(__x86_64__)
  // Six registers, the address to return to, and a return address for the entry itself, at 8 modulo 16.
  void **frame = top - 8;
  std::memset(frame, 0, 8 * sizeof(void *));
  frame[6] = reinterpret_cast<void *>(entry);
  if (reinterpret_cast<uintptr_t>(frame + 7) % 16 != 8)
    __builtin_trap();
#else
  void **frame = top - 20;
  std::memset(frame, 0, 20 * sizeof(void *));
  frame[11] = reinterpret_cast<void *>(entry);       // x30
#endif
  context.stack_pointer = frame;
}

void entered() {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(nullptr, nullptr, nullptr);
#endif
}

void discard([[maybe_unused]] Context &context) {
#if defined(__SANITIZE_THREAD__)
  if (context.tsan_fiber != nullptr)
    __tsan_destroy_fiber(context.tsan_fiber);
#endif
  context = Context{};
}

void switch_context(Context &from, Context &to) {
  announce(from, to);
  aios_sim_switch(&from.stack_pointer, to.stack_pointer);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(from.fake_stack, nullptr, nullptr);
#elif defined(__SANITIZE_THREAD__)
  if (__tsan_get_current_fiber() != from.tsan_fiber) // back from a signal handler
    __tsan_switch_to_fiber(from.tsan_fiber, 0);
#endif
}

void continue_from_signal([[maybe_unused]] Context &from, Context &to, void *machine_context) {
#if defined(__SANITIZE_ADDRESS__)
  announce(from, to); // the thread sanitizer must not see the switch before the handler has returned
#endif
  auto &machine = static_cast<ucontext_t *>(machine_context)->uc_mcontext;
#if defined(__x86_64__)
  machine.gregs[REG_RIP] = reinterpret_cast<greg_t>(&aios_sim_resume);
  machine.gregs[REG_RSP] = reinterpret_cast<greg_t>(to.stack_pointer);
#else
  machine.pc = reinterpret_cast<uintptr_t>(&aios_sim_resume);
  machine.sp = reinterpret_cast<uintptr_t>(to.stack_pointer);
#endif
}

} // namespace aios::sim

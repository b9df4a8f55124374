// libaios_cpu.so whose functions run in another process, under an emulator. AIOS_EMULATION is the shell command that
// starts that process; it ends with this one.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>
#include <utility>

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "blocks.h"
#include "wire.h"

namespace aios::emulation {
namespace {

/// The other process. Calls take turns.
class Connection {
public:
  Connection() { open(); }

  /// Null, or why there is no other process.
  const char *problem() const { return problem_; }
  std::mutex &mutex() { return mutex_; }
  Slot &slot() { return *reinterpret_cast<Slot *>(kRegion); }

  /// Lets the other process run the call in the slot; false when it is gone.
  bool run() {
    char turn = 1;
    if (problem_ == nullptr && (send(turn_, &turn, 1, MSG_NOSIGNAL) != 1 || recv(turn_, &turn, 1, 0) != 1))
      problem_ = "the emulated process ended";
    return problem_ == nullptr;
  }

private:
  void open() {
    const char *command = std::getenv("AIOS_EMULATION");
    if (command == nullptr) {
      problem_ = "AIOS_EMULATION must be the command that starts the emulated process";
      return;
    }
    int turns[2];
    const int region = memfd_create("aios_emulation", MFD_CLOEXEC);
    if (region < 0 || ftruncate(region, static_cast<off_t>(kRegionBytes)) != 0 ||
        mmap(reinterpret_cast<void *>(kRegion), kRegionBytes, PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_NORESERVE | MAP_FIXED_NOREPLACE, region, 0) == MAP_FAILED ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, turns) != 0) {
      problem_ = "no memory can be shared with the emulated process";
      return;
    }
    std::snprintf(slot().header_hash, sizeof slot().header_hash, "%s", aios_header_hash());
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    // Copies with high numbers, as each may have the number that the other one gets.
    const int region_copy = fcntl(region, F_DUPFD_CLOEXEC, 64), turn_copy = fcntl(turns[1], F_DUPFD_CLOEXEC, 64);
    posix_spawn_file_actions_adddup2(&files, region_copy, kRegionFile);
    posix_spawn_file_actions_adddup2(&files, turn_copy, kTurnFile);
    posix_spawn_file_actions_addclosefrom_np(&files, kTurnFile + 1);
    char shell[] = "/bin/sh", option[] = "-c", script[] = "eval exec \"$AIOS_EMULATION\"";
    char *const arguments[] = {shell, option, script, nullptr};
    pid_t process = 0;
    const bool started = posix_spawn(&process, shell, &files, nullptr, arguments, environ) == 0;
    posix_spawn_file_actions_destroy(&files);
    for (int file : {region, region_copy, turns[1], turn_copy})
      close(file);
    turn_ = turns[0];
    char ready = 0;
    if (!started || recv(turn_, &ready, 1, 0) != 1)
      problem_ = "the command AIOS_EMULATION did not start the emulated process";
  }

  std::mutex mutex_;
  const char *problem_ = nullptr;
  int turn_ = -1;
};

Connection &connection() {
  static Connection instance;
  return instance;
}

/// Device memory: what the slot leaves of the region.
class Memory {
public:
  static constexpr uintptr_t kFirst = kRegion + (size_t{2} << 20), kEnd = kRegion + kRegionBytes;

  uintptr_t take(int64_t bytes) {
    const std::lock_guard lock(mutex_);
    return blocks_.take(size_of(bytes), alignment_of(bytes));
  }
  void give(uintptr_t block, int64_t bytes) {
    const std::lock_guard lock(mutex_);
    madvise(reinterpret_cast<void *>(block), size_of(bytes), MADV_REMOVE);
    blocks_.give(block, block + size_of(bytes));
  }
  static bool holds(const void *pointer) {
    const auto address = reinterpret_cast<uintptr_t>(pointer);
    return address >= kFirst && address < kEnd;
  }

private:
  static uintptr_t alignment_of(int64_t bytes) { return bytes >= (2 << 20) ? 2u << 20 : 4096u; }
  static uintptr_t size_of(int64_t bytes) {
    const uintptr_t alignment = alignment_of(bytes);
    return (static_cast<uintptr_t>(bytes) + alignment - 1) / alignment * alignment;
  }

  std::mutex mutex_;
  Blocks blocks_{kFirst, kEnd};
};

Memory &memory() {
  static Memory instance;
  return instance;
}

template <class WireType, class P> WireType send_argument(P value) {
  if constexpr (std::is_same_v<WireType, P>)
    return value;
  else
    return value == nullptr ? WireType{} : WireType{true, *value};
}

template <class P> void return_argument(const P &, P) {}
template <class T> void return_argument(const Copied<T> &copy, T *to) {
  if constexpr (!std::is_const_v<T>)
    if (to != nullptr)
      *to = copy.value;
}

/// A failure: a status, or a size that is a negated status.
template <class Result> Result failed(int64_t result, const char *error) {
  const auto status = static_cast<aios_status>(std::is_same_v<Result, aios_status> ? result : -result);
  fail(status, "%s", error);
  return static_cast<Result>(result);
}

template <Header header, class Result, class... Parameters>
Result call(Function function, Result (*)(Parameters...), Parameters... parameters) {
  Connection &there = connection();
  const std::lock_guard lock(there.mutex());
  constexpr int64_t broken = std::is_same_v<Result, aios_status> ? AIOS_STATUS_INTERNAL : -AIOS_STATUS_INTERNAL;
  if (there.problem() != nullptr)
    return failed<Result>(broken, there.problem());
  Slot &slot = there.slot();
  using Arguments = std::tuple<WireType<header, Parameters>...>;
  static_assert(sizeof(Arguments) <= sizeof slot.arguments);
  auto *wire = new (slot.arguments) Arguments(send_argument<WireType<header, Parameters>>(parameters)...);
  slot.function = function;
  if (!there.run())
    return failed<Result>(broken, there.problem());
  std::apply([&](auto &...copies) { (return_argument(copies, parameters), ...); }, *wire);
  const bool good = std::is_same_v<Result, aios_status> ? slot.result == AIOS_STATUS_OK : slot.result >= 0;
  return good ? static_cast<Result>(slot.result) : failed<Result>(slot.result, slot.error);
}

/// What an exported function does: it forwards its call.
template <Header header, Function function, auto prototype> struct Export {
  template <class... Parameters> static auto run(Parameters... parameters) {
    return call<header>(function, prototype, parameters...);
  }
};

// Device memory comes from the region, as the other process cannot give memory to this one.
template <> struct Export<Header::Device, Function::aios_cpu_alloc, aios_cpu_alloc> {
  static aios_status run(void **block, int64_t bytes) {
    if (block == nullptr || bytes < 1)
      return fail(AIOS_STATUS_INVALID_ARGUMENT, "cannot allocate %lld bytes", static_cast<long long>(bytes));
    if (connection().problem() != nullptr)
      return fail(AIOS_STATUS_INTERNAL, "%s", connection().problem());
    const uintptr_t start = bytes < static_cast<int64_t>(kRegionBytes) ? memory().take(bytes) : 0;
    *block = reinterpret_cast<void *>(start);
    return start != 0 ? AIOS_STATUS_OK : fail(AIOS_STATUS_OUT_OF_MEMORY, "the shared region is full");
  }
};

template <> struct Export<Header::Device, Function::aios_cpu_free, aios_cpu_free> {
  static aios_status run(void *block, int64_t bytes) {
    if (block != nullptr)
      memory().give(reinterpret_cast<uintptr_t>(block), bytes);
    return AIOS_STATUS_OK;
  }
};

// So do reserved ranges, all of which have memory as soon as it is touched.
template <> struct Export<Header::Device, Function::aios_cpu_reserve, aios_cpu_reserve> {
  static aios_status run(void **range, int64_t bytes) { return aios_cpu_alloc(range, bytes); }
};

template <> struct Export<Header::Device, Function::aios_cpu_commit, aios_cpu_commit> {
  static aios_status run(void *, int64_t) { return AIOS_STATUS_OK; }
};

template <> struct Export<Header::Device, Function::aios_cpu_decommit, aios_cpu_decommit> {
  static aios_status run(void *part, int64_t bytes) {
    madvise(part, static_cast<size_t>(bytes), MADV_REMOVE);
    return AIOS_STATUS_OK;
  }
};

template <> struct Export<Header::Device, Function::aios_cpu_release, aios_cpu_release> {
  static aios_status run(void *range, int64_t bytes) { return aios_cpu_free(range, bytes); }
};

/// A pretended size of the machine, so that the ranges of several devices fit the region.
template <> struct Export<Header::Device, Function::aios_cpu_get_info, aios_cpu_get_info> {
  static aios_status run(aios_cpu_info *info) {
    const aios_status status = call<Header::Device>(Function::aios_cpu_get_info, aios_cpu_get_info, info);
    if (status == AIOS_STATUS_OK)
      info->memory_bytes = int64_t{1} << 30;
    return status;
  }
};

// A copy from or to memory of this process is done here, once the stream has come so far.
template <> struct Export<Header::Device, Function::aios_cpu_memcpy_async, aios_cpu_memcpy_async> {
  static aios_status run(aios_stream stream, void *destination, const void *source, int64_t bytes) {
    if (Memory::holds(destination) && Memory::holds(source))
      return call<Header::Device>(Function::aios_cpu_memcpy_async, aios_cpu_memcpy_async, stream, destination, source,
                                  bytes);
    if (aios_cpu_stream_synchronize(stream) == AIOS_STATUS_OK) // a stream with an error skips its commands
      std::memcpy(destination, source, static_cast<size_t>(bytes));
    return AIOS_STATUS_OK;
  }
};

/// Calls a function of this process with the state of a stream of the other one.
aios_status call_here(aios_status status, aios_cpu_callback function, void *user) {
  char message[kErrorCapacity];
  std::snprintf(message, sizeof message, "%s", status == AIOS_STATUS_OK ? "" : aios_last_error());
  function(user, status, message);
  return AIOS_STATUS_OK;
}

// Functions and texts of this process are none of the other one.
template <> struct Export<Header::Device, Function::aios_cpu_stream_callback, aios_cpu_stream_callback> {
  static aios_status run(aios_stream stream, aios_cpu_callback function, void *user) {
    return call_here(aios_cpu_stream_synchronize(stream), function, user);
  }
};

template <> struct Export<Header::Device, Function::aios_cpu_event_callback, aios_cpu_event_callback> {
  static aios_status run(aios_event event, aios_cpu_callback function, void *user) {
    return call_here(aios_cpu_event_synchronize(event), function, user);
  }
};

template <> struct Export<Header::Device, Function::aios_cpu_set_call_site, aios_cpu_set_call_site> {
  static aios_status run(const char *) { return AIOS_STATUS_OK; }
};

} // namespace
} // namespace aios::emulation

#define AIOS_EXPORT(header, name, parameters, arguments)                                                               \
  name parameters {                                                                                                    \
    using namespace aios::emulation;                                                                                   \
    return Export<Header::header, Function::name, ::name>::run arguments;                                              \
  }
#define AIOS_FUNCTION(result, name, parameters, arguments) result AIOS_EXPORT(Kernels, name, parameters, arguments)
AIOS_KERNELS_FUNCTIONS(AIOS_FUNCTION)
#undef AIOS_FUNCTION
#define AIOS_FUNCTION(result, name, parameters, arguments) result AIOS_EXPORT(Device, name, parameters, arguments)
AIOS_CPU_FUNCTIONS(AIOS_FUNCTION)
#undef AIOS_FUNCTION
#undef AIOS_EXPORT

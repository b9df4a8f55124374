// One piece of enqueued work, wherever it waits to run: in a stream's ring or in a graph.
#pragma once

#include <cstddef>
#include <cstdint>

#include "aios_cpu.h"
#include "launch.h"

namespace aios::cpu {

/// What a command's enqueuer says about it.
struct Origin {
  const char *name = nullptr; ///< The exported function that enqueues it; null when there is none.
  const char *site = nullptr; ///< Where the host calls it, see `aios_cpu_set_call_site`.
  int64_t bytes = 0;          ///< What a copy or a fill writes.
};

/// Of the commands that the calling thread enqueues. One of the few words that fit the room which the C library keeps
/// for libraries loaded later.
extern thread_local Origin origin [[gnu::tls_model("initial-exec")]];

/// Names the commands that are enqueued while it lives.
class Naming {
public:
  explicit Naming(const char *name, int64_t bytes = 0) {
    origin.name = name;
    origin.bytes = bytes;
  }
  ~Naming() {
    origin.name = nullptr;
    origin.bytes = 0;
  }
  Naming(const Naming &) = delete;
  Naming &operator=(const Naming &) = delete;
};

struct Command {
  /// Work is skipped when its stream has failed. Control is part of the machinery and runs in any case, as a Callback
  /// does. A Wait holds a WaitBody.
  enum class Kind : uint32_t { Work, Control, Callback, Wait };

  void (*run)(const void *body, Team &team) = nullptr;
  Kind kind = Kind::Work;
  uint32_t bytes = 0; ///< Size of the body.
  Origin origin;
};

/// Body of a Wait; holds a reference to the stream.
struct WaitBody {
  aios_stream stream;
  uint64_t target;
};

/// Body of a Callback.
struct CallbackBody {
  aios_cpu_callback function;
  void *user;
};

} // namespace aios::cpu

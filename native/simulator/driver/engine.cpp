// The streams: a thread per device runs, again and again, a random piece of work that may run now.
//
// Work is delayed, every order of magnitude as often as another, so that what nobody synchronised has not happened yet.
// Delays end when a thread of the host waits, because they could not be seen then.
#include <algorithm>
#include <chrono>

#include "activity.h"
#include "state.h"

namespace aios::sim::driver {
namespace {

constexpr unsigned kLongestDelay = 11;      // as a power of two, in microseconds
constexpr std::int64_t kAskAgain = 100'000; // nanoseconds between two looks at a value that a stream waits for

/// A piece of work that may run now.
struct Choice {
  Stream *stream = nullptr;
  int node = -1; // of the graph that is under way
};

bool is_reached(const MarkerPtr &marker) {
  return marker == nullptr || marker->done;
}

void reach(Driver &driver, const MarkerPtr &marker) {
  marker->done = true;
  marker->ns = now_ns();
  driver.work.notify_all();
  driver.done.notify_all();
}

void push(Driver &driver, Stream &stream, Command command) {
  command.done = std::make_shared<Marker>();
  stream.tail = command.done;
  if (driver.random.below(2) == 0) {
    command.not_before = now_ns() + std::int64_t{1000} * driver.random.delay(kLongestDelay);
  }
  stream.queue.push_back(std::move(command));
  driver.work.notify_all();
}

/// The orders that the legacy default stream makes: it waits for all blocking streams, and they for it.
std::vector<MarkerPtr> implied(const Stream &stream) {
  std::vector<MarkerPtr> after;
  Context &context = *stream.context;
  if (&stream == context.legacy) {
    for (const auto &other : context.device->streams) {
      if (other.get() != &stream && (other->flags & CU_STREAM_NON_BLOCKING) == 0 && !is_reached(other->tail)) {
        after.push_back(other->tail);
      }
    }
  } else if (context.legacy != nullptr && (stream.flags & CU_STREAM_NON_BLOCKING) == 0 &&
             !is_reached(context.legacy->tail)) {
    after.push_back(context.legacy->tail);
  }
  return after;
}

void begin_run(Stream &stream, const Plan &plan) {
  stream.run = std::make_unique<GraphRun>();
  stream.run->waits = plan.waits;
  stream.run->unfinished = plan.work.size();
  for (std::size_t i = 0; i < plan.waits.size(); ++i) {
    if (plan.waits[i] == 0) {
      stream.run->ready.push_back(static_cast<int>(i));
    }
  }
}

void pop(Driver &driver, Stream &stream) {
  MarkerPtr done = stream.queue.front().done;
  stream.queue.pop_front();
  stream.run.reset();
  reach(driver, done);
}

/// Adds what the stream could do now; `wake` becomes the time at which its delay is over. True when its launch of a
/// graph without nodes was over at once, and everything has to be looked at again.
bool consider(Driver &driver, Stream &stream, std::vector<Choice> &choices, std::int64_t now, std::int64_t &wake) {
  if (stream.queue.empty()) {
    return false;
  }
  Command &command = stream.queue.front();
  if ((command.plan == nullptr && stream.busy > 0) ||
      !std::all_of(command.after.begin(), command.after.end(), is_reached)) {
    return false;
  }
  if (stream.run == nullptr && driver.waiting == 0 && command.not_before > now) {
    wake = std::min(wake, command.not_before);
    return false;
  }
  if (command.until != nullptr && !command.until()) {
    wake = std::min(wake, now + kAskAgain);
    return false;
  }
  if (command.plan == nullptr) {
    choices.push_back({&stream});
    return false;
  }
  if (stream.run == nullptr) {
    begin_run(stream, *command.plan);
  }
  for (int node : stream.run->ready) {
    choices.push_back({&stream, node});
  }
  bool over = stream.run->unfinished == 0 && stream.busy == 0;
  if (over) {
    pop(driver, stream);
  }
  return over;
}

void finish(Driver &driver, Stream &stream, int node, const Result &result) {
  if (result.error != CUDA_SUCCESS) {
    fail_context(driver, *stream.context, result.error, result.report); // keeps what is busy
  }
  --stream.busy;
  if (node >= 0 && stream.run->unfinished > 0) {
    GraphRun &run = *stream.run;
    --run.unfinished;
    for (int next : stream.queue.front().plan->next[static_cast<std::size_t>(node)]) {
      if (--run.waits[static_cast<std::size_t>(next)] == 0) {
        run.ready.push_back(next);
      }
    }
  }
  if (stream.busy == 0 && (node < 0 || stream.run->unfinished == 0)) {
    pop(driver, stream);
  } else {
    driver.work.notify_all();
  }
}

/// Does what was chosen. A function of the host gets a thread of its own.
void start(Driver &driver, Lock &lock, Device &device, Choice choice) {
  Stream &stream = *choice.stream;
  Command &command = stream.queue.front();
  ++stream.busy;
  if (choice.node >= 0) {
    std::erase(stream.run->ready, choice.node);
  }
  const Work &work = choice.node < 0 ? command.work : command.plan->work[static_cast<std::size_t>(choice.node)];
  if (const HostWork *host = std::get_if<HostWork>(&work)) {
    run_on_host([&driver, call = *host, choice] {
      if (call.function != nullptr) {
        call.function(call.user);
      } else {
        call.callback(call.stream, CUDA_SUCCESS, call.user);
      }
      Lock relock(driver.mutex);
      finish(driver, *choice.stream, choice.node, {});
    });
    return;
  }
  Work own = work;
  activity::Origin origin{command.call, command.graph};
  if (choice.node >= 0) {
    origin.node = (std::uint64_t{command.graph} << 32) + static_cast<std::uint64_t>(choice.node) + 1;
  }
  lock.unlock();
  const std::int64_t begun = now_ns();
  Result result = execute(driver, device, own);
  if (result.error == CUDA_SUCCESS) {
    activity::note(driver, stream, own, origin, begun, now_ns());
    activity::deliver(false);
  }
  lock.lock();
  finish(driver, stream, choice.node, result);
}

void run_device(Driver &driver, Device &device) {
  Lock lock(driver.mutex);
  std::vector<Choice> choices;
  for (;;) {
    choices.clear();
    std::int64_t now = now_ns(), wake = INT64_MAX;
    bool again = false;
    for (const auto &stream : device.streams) {
      again |= consider(driver, *stream, choices, now, wake);
    }
    std::erase_if(device.streams, [](const auto &stream) { return stream->destroyed && stream->queue.empty(); });
    if (!choices.empty()) {
      start(driver, lock, device, choices[device.random.below(static_cast<std::uint32_t>(choices.size()))]);
    } else if (again) {
      continue;
    } else if (wake != INT64_MAX) {
      driver.work.wait_for(lock, std::chrono::nanoseconds(wake - now));
    } else {
      driver.work.wait(lock);
    }
  }
}

} // namespace

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void start_devices(Driver &driver) {
  for (const auto &device : driver.devices) {
    // They run for the life of the process: there is no call that ends the driver.
    std::thread([&driver, &chosen = *device] { run_device(driver, chosen); }).detach();
  }
}

Stream *create_stream(Driver &driver, Context &context, unsigned flags, int priority) {
  auto stream = std::make_unique<Stream>();
  stream->context = &context;
  stream->flags = flags;
  stream->priority = priority;
  stream->id = ++driver.numbers;
  Stream *created = stream.get();
  context.device->streams.push_back(std::move(stream));
  driver.streams.insert(created);
  return created;
}

CUresult enqueue(Driver &driver, Stream &stream, Work work) {
  if (stream.capture != nullptr) {
    return record_node(driver, stream, std::move(work));
  }
  Command command;
  command.call = activity::note_call();
  command.work = std::move(work);
  command.after = implied(stream);
  push(driver, stream, std::move(command));
  return CUDA_SUCCESS;
}

CUresult enqueue(Driver &driver, Stream &stream, GraphExec &exec) {
  Command command;
  command.call = activity::note_call();
  command.graph = exec.number;
  command.plan = exec.plan;
  command.after = implied(stream);
  if (!is_reached(exec.last)) {
    command.after.push_back(exec.last);
  }
  push(driver, stream, std::move(command));
  exec.last = stream.tail;
  return CUDA_SUCCESS;
}

void wait_for(Driver &driver, Stream &stream, std::vector<MarkerPtr> after, std::function<bool()> until) {
  Command command;
  command.after = std::move(after);
  command.until = std::move(until);
  push(driver, stream, std::move(command));
}

MarkerPtr reached(const Stream &stream) {
  return stream.tail;
}

CUresult await(Driver &driver, Lock &lock, Context &context, const MarkerPtr &marker) {
  ++driver.waiting;
  driver.work.notify_all();
  driver.done.wait(lock, [&] { return is_reached(marker); });
  --driver.waiting;
  return context.error;
}

void fail_context(Driver &driver, Context &context, CUresult error, const std::string &report) {
  if (context.error == CUDA_SUCCESS) {
    context.error = error;
    context.report = report;
  }
  for (const auto &stream : context.device->streams) {
    // What runs now ends by itself; the rest never begins. Callbacks that get a status are told.
    if (stream->run != nullptr) {
      stream->run->ready.clear();
      stream->run->unfinished = 0;
    }
    std::size_t kept = stream->busy > 0 ? 1 : 0;
    while (stream->queue.size() > kept) {
      Command command = std::move(stream->queue.back());
      stream->queue.pop_back();
      const HostWork *host = std::get_if<HostWork>(&command.work);
      if (host != nullptr && host->callback != nullptr) {
        run_on_host([call = *host, error] { call.callback(call.stream, error, call.user); });
      }
      reach(driver, command.done);
    }
    if (kept == 0) {
      stream->run.reset();
    }
  }
}

} // namespace aios::sim::driver

// The objects of the simulated driver. Everything in here is protected by the lock of `Driver`.
#pragma once

#include <condition_variable>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "../executor/random.h"
#include "addresses.h"
#include "counters.h"
#include "settings.h"
#include "work.h"

namespace aios::sim::driver {

struct Context;
struct Device;
struct Graph;
struct Stream;

using Lock = std::unique_lock<std::mutex>;

/// A point in the order of a stream, which somebody waits for.
struct Marker {
  bool done = false;
  std::int64_t ns = 0; ///< When it was reached, on a monotonic clock.
};
using MarkerPtr = std::shared_ptr<Marker>;

struct Node {
  Graph *graph = nullptr;
  Work work;
  std::vector<Node *> after;
};

struct Graph {
  std::vector<std::unique_ptr<Node>> nodes;
  /// In which order cuGraphGetNodes shows them: any is legal, so it is a random one.
  std::vector<Node *> shown;
};

/// What a launch of an instantiated graph runs: a copy, so that later updates do not change it.
struct Plan {
  std::vector<Work> work;
  std::vector<std::vector<int>> next; ///< By node, those that wait for it.
  std::vector<int> waits;             ///< By node, how many it waits for.
};

struct GraphExec {
  std::uint32_t number = 0; ///< By which activities name it.
  std::shared_ptr<const Plan> plan;
  std::unordered_map<const Node *, int> index;
  MarkerPtr last; ///< The end of the last launch: a graph never runs beside itself.
};

/// A launch that is under way.
struct GraphRun {
  std::vector<int> waits;
  std::vector<int> ready;
  std::size_t unfinished = 0;
};

struct Command {
  Work work;
  std::shared_ptr<const Plan> plan; ///< In place of `work` for the launch of a graph.
  std::vector<MarkerPtr> after;
  std::function<bool()> until; ///< What else has to hold before it runs; asked again and again. Null for nothing.
  MarkerPtr done;
  std::int64_t not_before = 0;
  std::uint32_t call = 0;  ///< The number of the call that enqueued it, see activity.h.
  std::uint32_t graph = 0; ///< The number of the launched instance; 0 for none.
};

/// A capture: what is enqueued to its streams becomes nodes.
struct Capture {
  unsigned long long id = 0;
  CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_GLOBAL;
  std::thread::id thread;
  Stream *origin = nullptr;
  std::unique_ptr<Graph> graph = std::make_unique<Graph>();
  std::set<Stream *> streams;
  bool invalidated = false;
};

struct Stream {
  Context *context = nullptr;
  unsigned flags = 0;
  int priority = 0;
  unsigned long long id = 0;
  std::deque<Command> queue;
  int busy = 0; ///< Pieces of work of the first command that run now.
  std::unique_ptr<GraphRun> run;
  MarkerPtr tail; ///< Done when all that was enqueued has run; null when nothing was.
  bool destroyed = false;
  std::shared_ptr<Capture> capture;
  std::vector<Node *> dependencies; ///< What the next captured node comes after.
};

struct Event {
  Context *context = nullptr;
  unsigned flags = 0;
  MarkerPtr marker; ///< Of the last recording; null when there was none.
  std::shared_ptr<Capture> capture;
  std::vector<Node *> dependencies; ///< What a recording in a capture stands for.
};

struct Pool {
  Device *device = nullptr;
  std::map<int, std::uint64_t> attributes;
  std::uint64_t used = 0, high = 0;
};

struct Module {
  void *library = nullptr;
  std::map<std::string, std::unique_ptr<Function>> functions;
};

struct Context {
  Device *device = nullptr;
  int references = 0;
  unsigned flags = 0;
  CUresult error = CUDA_SUCCESS; ///< Sticks: every later call returns it.
  std::string report;
  Stream *legacy = nullptr;
  std::map<std::thread::id, Stream *> per_thread;
  std::set<Context *> peers;
  std::map<int, size_t> limits;
};

struct Device {
  Device(int number, std::size_t bytes, std::uint64_t seed) : ordinal(number), memory(bytes), random(seed) {
    context.device = this;
    pool.device = this;
  }

  int ordinal;
  Memory memory;
  Random random;
  Context context; ///< The primary context.
  Pool pool;       ///< The default pool.
  Pool *current_pool = &pool;
  std::list<std::unique_ptr<Stream>> streams;
};

/// All state of the library.
struct Driver {
  std::mutex mutex;
  std::condition_variable work; ///< For the threads of the devices: something was enqueued, or may now run.
  std::condition_variable done; ///< For threads of the host: something has run.
  CUresult status = CUDA_ERROR_NOT_INITIALIZED;
  bool has_nvml = false; ///< nvmlInit was called and succeeded.
  std::string problem;   ///< Why cuInit failed.
  Settings settings;
  Random random{1};
  std::vector<std::unique_ptr<Device>> devices;
  Addresses addresses;
  int waiting = 0; ///< Threads of the host that wait for work: delays end.
  std::uint64_t launches = 0, allocations = 0;
  unsigned long long numbers = 0; ///< Of streams, captures and instances of graphs.
  std::set<Stream *> streams;     ///< Those that a caller may still name.
  std::set<Event *> events;
  std::set<Graph *> graphs;
  std::set<GraphExec *> execs;
  std::set<Pool *> pools;
  std::set<Module *> modules;
  std::set<Node *> nodes;
  std::map<std::uintptr_t, Pool *> pooled; ///< Blocks of stream-ordered pools.
  std::map<CUmemGenericAllocationHandle, std::pair<std::shared_ptr<Physical>, int>> physical; ///< And references.
  std::map<std::string, std::unique_ptr<Function>> kernels; ///< Those that are a part of this library.
  KernelCosts costs;                                        ///< Empty unless the settings ask for counters.

  static Driver &get();
};

/// The context that is current to the calling thread; null when there is none.
Context *&current_context();

// engine.cpp

/// Starts the threads of the devices.
void start_devices(Driver &driver);

/// Enqueues work: to run, or as a node of the capture that the stream takes part in.
CUresult enqueue(Driver &driver, Stream &stream, Work work);
/// Enqueues the launch of a graph.
CUresult enqueue(Driver &driver, Stream &stream, GraphExec &exec);
/// Enqueues nothing but waits: what comes later in the stream comes after them.
void wait_for(Driver &driver, Stream &stream, std::vector<MarkerPtr> after, std::function<bool()> until = nullptr);
/// The point that all work enqueued to the stream so far leads to; null when it has none.
MarkerPtr reached(const Stream &stream);
/// Blocks the host until the point is reached, or the context fails.
CUresult await(Driver &driver, Lock &lock, Context &context, const MarkerPtr &marker);
/// Makes every later call of the context fail, and drops its work.
void fail_context(Driver &driver, Context &context, CUresult error, const std::string &report);

Stream *create_stream(Driver &driver, Context &context, unsigned flags, int priority);

/// Now, in nanoseconds of a monotonic clock.
std::int64_t now_ns();

// execute.cpp

/// Does a piece of work other than a function of the host, on the calling thread. The lock is not held.
Result execute(Driver &driver, Device &device, const Work &work);

/// Runs a function on one of the threads that there are for functions of the host.
void run_on_host(std::function<void()> call);

// api_launch.cpp

/// Reads what the caller says of a launch; clusters and the like stay as they are in `work`.
CUresult read_kernel(Driver &driver, const CUDA_KERNEL_NODE_PARAMS &parameters, KernelWork &work);

// api_graph.cpp

/// Gives a node of an instance other work of its kind.
CUresult replace(Driver &driver, CUgraphExec exec, CUgraphNode node, Work work);

// capture.cpp

/// Adds a node for work that a capturing stream is given.
CUresult record_node(Driver &driver, Stream &stream, Work work);
/// Ends a capture whose graph nobody gets.
void abandon(Driver &driver, Capture &capture);
/// Forgets the handles of a graph and its nodes.
void forget(Driver &driver, Graph &graph);
/// Adds a node to those that callers see, at a random place among them.
void show(Driver &driver, Graph &graph, Node *node);

} // namespace aios::sim::driver

// What the pool and the streams cost by themselves: parallel loops with nothing in them, enqueuing, round trips, and
// the first loop after the workers have slept.
//
//   pool_bench [rounds] [name]     name picks the figures whose name contains it
//
// Every figure is the median over rounds, with the fastest and the slowest round beside it. It is linked with the
// library's object files, because loops and commands of one's own are not exported.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <thread>
#include <vector>

#include <sched.h>

#include "aios_cpu.h"
#include "aios_kernels.h"
#include "launch.h"

namespace {

using Clock = std::chrono::steady_clock;

double nanoseconds(Clock::time_point since) {
  return std::chrono::duration<double, std::nano>(Clock::now() - since).count();
}

/// Arithmetic that takes about as long wherever it runs; its result is used, so that it is not left out.
double work(int64_t steps) {
  double x = 1.0;
  for (int64_t i = 0; i < steps; ++i)
    x = x * 1.0000001 + 1e-9;
  return x;
}

std::atomic<double> sink;
const char *chosen = "";

void report(const char *what, const char *unit, int rounds, const std::function<double()> &measure) {
  if (std::strstr(what, chosen) == nullptr)
    return;
  measure();
  std::vector<double> values;
  for (int round = 0; round < rounds; ++round)
    values.push_back(measure());
  std::sort(values.begin(), values.end());
  std::printf("%-64s %9.1f %s  (%.1f - %.1f)\n", what, values[values.size() / 2], unit, values.front(), values.back());
}

/// Runs f(team) as a command of the stream and waits for it.
template <class F> void run(aios_stream stream, const F &f) {
  const F *body = &f;
  aios::enqueue(stream, [body](aios::Team &team) { (*body)(team); });
  aios_cpu_stream_synchronize(stream);
}

/// Nanoseconds per loop of `tasks` tasks of `steps` steps each, many loops in one command.
double loop_cost(aios_stream stream, int64_t tasks, int64_t steps) {
  constexpr int kLoops = 20000;
  double cost = 0;
  run(stream, [&](aios::Team &team) {
    const auto loop = [&] {
      team.parallel_for(tasks, [=](int64_t, int) {
        if (steps > 0)
          sink.store(work(steps), std::memory_order_relaxed);
      });
    };
    for (int i = 0; i < kLoops / 10; ++i)
      loop();
    const Clock::time_point start = Clock::now();
    for (int i = 0; i < kLoops; ++i)
      loop();
    cost = nanoseconds(start) / kLoops;
  });
  return cost;
}

/// Nanoseconds per enqueue while an earlier command keeps the stream busy, so that nothing is drained meanwhile.
template <class F> double enqueue_cost(aios_stream stream, const F &enqueue) {
  constexpr int kCommands = 400; // the ring holds 512
  std::atomic<bool> release{false};
  std::atomic<bool> running{false};
  aios::enqueue(stream, [&release, &running](aios::Team &) {
    running = true;
    while (!release)
      std::this_thread::yield();
  });
  while (!running)
    std::this_thread::yield();
  const Clock::time_point start = Clock::now();
  for (int i = 0; i < kCommands; ++i)
    enqueue();
  const double cost = nanoseconds(start) / kCommands;
  release = true;
  aios_cpu_stream_synchronize(stream);
  return cost;
}

template <size_t Bytes> struct Body {
  unsigned char bytes[Bytes];
  void operator()(aios::Team &) const {}
};

template <size_t Bytes> void report_enqueue(aios_stream stream, int rounds) {
  char what[64];
  std::snprintf(what, sizeof what, "enqueue of a body of %zu bytes, busy stream", Bytes);
  const Body<Bytes> body{};
  report(what, "ns", rounds, [&] { return enqueue_cost(stream, [&] { aios::enqueue(stream, body); }); });
}

/// Loops of two tasks, each the first after an idle time, that took one and a half times as long as one task alone or
/// longer: the share in percent. Then both tasks ran one after the other, or on one core.
double serial_share(aios_stream stream, int64_t steps, std::chrono::milliseconds idle) {
  constexpr int kLoops = 20;
  const auto time = [&](int64_t tasks) {
    const Clock::time_point start = Clock::now();
    run(stream, [=](aios::Team &team) {
      team.parallel_for(tasks, [=](int64_t, int) { sink.store(work(steps), std::memory_order_relaxed); });
    });
    return nanoseconds(start);
  };
  int serial = 0;
  for (int i = 0; i < kLoops; ++i) {
    const double one = std::min(time(1), time(1));
    std::this_thread::sleep_for(idle);
    serial += time(2) > 1.5 * one;
  }
  return 100.0 * serial / kLoops;
}

} // namespace

int main(int argc, char **argv) {
  const int rounds = argc > 1 ? std::max(1, std::atoi(argv[1])) : 15;
  chosen = argc > 2 ? argv[2] : "";
  aios_stream stream = nullptr;
  if (aios_cpu_stream_create(&stream, AIOS_CPU_PRIORITY_NORMAL) != AIOS_STATUS_OK) {
    std::fprintf(stderr, "%s\n", aios_last_error());
    return 1;
  }
  aios_cpu_info info;
  aios_cpu_get_info(&info);
  std::printf("%s, %d workers, median of %d rounds (fastest - slowest)\n", info.name, info.threads, rounds);

  report("loop of 1 task", "ns", rounds, [&] { return loop_cost(stream, 1, 0); });
  report("loop of 2 empty tasks", "ns", rounds, [&] { return loop_cost(stream, 2, 0); });
  report("loop of 64 empty tasks", "ns", rounds, [&] { return loop_cost(stream, 64, 0); });
  report("1 task of 300 steps", "ns", rounds, [&] { return loop_cost(stream, 1, 300); });
  report("loop of 2 tasks of 300 steps", "ns", rounds, [&] { return loop_cost(stream, 2, 300); });

  report_enqueue<32>(stream, rounds);
  report_enqueue<256>(stream, rounds);
  report_enqueue<768>(stream, rounds);
  std::vector<float> data(64);
  report("aios_fill of 1 element, busy stream", "ns", rounds,
         [&] { return enqueue_cost(stream, [&] { aios_fill(stream, data.data(), 1, 1.0, AIOS_DTYPE_F32); }); });
  aios_elementwise_desc desc{};
  desc.rank = 1;
  desc.dtype = AIOS_DTYPE_F32;
  desc.shape[0] = 1;
  desc.out_stride[0] = desc.a_stride[0] = desc.b_stride[0] = 1;
  report("aios_unary of 1 element, busy stream", "ns", rounds, [&] {
    return enqueue_cost(stream, [&] { aios_unary(stream, data.data(), data.data(), AIOS_UNARY_RELU, &desc); });
  });
  report("empty commands, enqueued and drained at once", "ns", rounds, [&] {
    constexpr int kCommands = 100000;
    const Clock::time_point start = Clock::now();
    for (int i = 0; i < kCommands; ++i)
      aios::enqueue(stream, [](aios::Team &) {});
    aios_cpu_stream_synchronize(stream);
    return nanoseconds(start) / kCommands;
  });
  report("commands of one loop of 2 tasks, enqueued and drained", "ns", rounds, [&] {
    constexpr int kCommands = 20000;
    const Clock::time_point start = Clock::now();
    for (int i = 0; i < kCommands; ++i)
      aios::enqueue(stream, [](aios::Team &team) { team.parallel_for(2, [](int64_t, int) {}); });
    aios_cpu_stream_synchronize(stream);
    return nanoseconds(start) / kCommands;
  });
  report("round trip: enqueue and synchronize", "ns", rounds, [&] {
    constexpr int kCommands = 5000;
    const Clock::time_point start = Clock::now();
    for (int i = 0; i < kCommands; ++i) {
      aios::enqueue(stream, [](aios::Team &) {});
      aios_cpu_stream_synchronize(stream);
    }
    return nanoseconds(start) / kCommands;
  });
  report("round trip after 1 ms of sleep", "us", rounds, [&] {
    double total = 0;
    for (int i = 0; i < 20; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      const Clock::time_point start = Clock::now();
      aios::enqueue(stream, [](aios::Team &) {});
      aios_cpu_stream_synchronize(stream);
      total += nanoseconds(start);
    }
    return total / 20 * 1e-3;
  });
  report("2 tasks of 1 ms after 1 ms of sleep that ran one by one", "%", rounds,
         [&] { return serial_share(stream, 700'000, std::chrono::milliseconds(1)); });
  report("2 tasks of 5 ms after 10 ms of sleep that ran one by one", "%", std::max(1, rounds / 3),
         [&] { return serial_share(stream, 3'500'000, std::chrono::milliseconds(10)); });
  aios_cpu_stream_destroy(stream);
}

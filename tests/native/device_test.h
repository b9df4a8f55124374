// Support of the tests of streams, events and graphs.
#pragma once

#include <atomic>
#include <thread>

#include "kernel_test.h"

namespace device_test {

using kernel_test::Random;
using kernel_test::Stream;
using kernel_test::Threads;

class TestEvent {
public:
  TestEvent() { EXPECT_EQ(aios_cpu_event_create(&event_), AIOS_STATUS_OK); }
  ~TestEvent() { EXPECT_EQ(aios_cpu_event_destroy(event_), AIOS_STATUS_OK); }
  TestEvent(const TestEvent &) = delete;
  TestEvent &operator=(const TestEvent &) = delete;
  operator aios_event() const { return event_; }

private:
  aios_event event_ = nullptr;
};

/// A graph that is destroyed with the test.
class TestGraph {
public:
  TestGraph() = default;
  ~TestGraph() { aios_cpu_graph_destroy(graph_); }
  TestGraph(const TestGraph &) = delete;
  TestGraph &operator=(const TestGraph &) = delete;
  operator aios_graph() const { return graph_; }
  aios_graph *out() { return &graph_; }
  aios_cpu_graph_info info() const {
    aios_cpu_graph_info info{};
    EXPECT_EQ(aios_cpu_graph_get_info(graph_, &info), AIOS_STATUS_OK);
    return info;
  }

private:
  aios_graph graph_ = nullptr;
};

/// Streams misbehave as far as they may while it lives.
class Adversary {
public:
  explicit Adversary(uint64_t seed) { aios_cpu_set_adversary(seed); }
  ~Adversary() { aios_cpu_set_adversary(0); }
  Adversary(const Adversary &) = delete;
  Adversary &operator=(const Adversary &) = delete;
};

/// A command that occupies its worker until the flag is raised.
inline void hold(aios_stream stream, std::atomic<bool> *release) {
  ASSERT_EQ(aios::enqueue(stream,
                          [release](aios::Team &) {
                            while (!release->load())
                              std::this_thread::yield();
                          }),
            AIOS_STATUS_OK);
}

} // namespace device_test

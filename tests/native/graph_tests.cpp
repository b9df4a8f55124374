// Graphs: what is captured, how it is replayed and updated, and what is refused.
#include <chrono>
#include <string>
#include <vector>

#include "device_test.h"

namespace {

using device_test::Adversary;
using device_test::hold;
using device_test::Random;
using device_test::Stream;
using device_test::TestEvent;
using device_test::TestGraph;
using device_test::Threads;

void begin(aios_stream stream) {
  ASSERT_EQ(aios_cpu_stream_begin_capture(stream), AIOS_STATUS_OK) << aios_last_error();
}

void end(aios_stream stream, TestGraph &graph) {
  ASSERT_EQ(aios_cpu_stream_end_capture(stream, graph.out()), AIOS_STATUS_OK) << aios_last_error();
}

void launch(const TestGraph &graph, aios_stream stream) {
  ASSERT_EQ(aios_cpu_graph_launch(graph, stream), AIOS_STATUS_OK) << aios_last_error();
}

void expect_refused(aios_status status, const std::string &text) {
  kernel_test::expect_refused(status, AIOS_STATUS_INVALID_ARGUMENT, text);
}

TEST(Graph, RunsNothingBeforeItsLaunchAndTheSameEveryTime) {
  const Stream stream;
  std::vector<int> order;
  TestGraph graph;
  begin(stream);
  for (int i = 0; i < 5; ++i)
    aios::enqueue(stream, [&order, i](aios::Team &) { order.push_back(i); });
  int64_t nodes = 0;
  EXPECT_EQ(aios_cpu_stream_get_capture(stream, &nodes), AIOS_STATUS_OK);
  EXPECT_EQ(nodes, 5);
  end(stream, graph);
  EXPECT_EQ(aios_cpu_stream_get_capture(stream, &nodes), AIOS_STATUS_OK);
  EXPECT_EQ(nodes, -1);
  ASSERT_EQ(stream.synchronize(), AIOS_STATUS_OK);
  EXPECT_TRUE(order.empty());
  const aios_cpu_graph_info info = graph.info();
  EXPECT_EQ(info.nodes, 5);
  EXPECT_EQ(info.commands, 1);
  EXPECT_EQ(info.branches, 1);
  EXPECT_EQ(info.edges, 0);
  launch(graph, stream);
  launch(graph, stream);
  ASSERT_EQ(stream.synchronize(), AIOS_STATUS_OK);
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4, 0, 1, 2, 3, 4}));
}

TEST(Graph, HoldsOpsCopiesAndCallbacksAndKnowsTheirNames) {
  const Stream stream;
  float a[8], b[8] = {};
  int calls = 0;
  TestGraph graph;
  begin(stream);
  aios_fill(stream, a, 8, 2.5, AIOS_DTYPE_F32);
  aios_cpu_memcpy_async(stream, b, a, sizeof a);
  aios_cpu_stream_callback(
      stream,
      [](void *user, aios_status, char *) -> aios_status {
        ++*static_cast<int *>(user);
        return AIOS_STATUS_OK;
      },
      &calls);
  end(stream, graph);
  const char *names[] = {"aios_fill", "copy", "callback"};
  for (int64_t i = 0; i < 3; ++i) {
    aios_cpu_graph_node node;
    ASSERT_EQ(aios_cpu_graph_get_node(graph, i, &node), AIOS_STATUS_OK);
    EXPECT_STREQ(node.name, names[i]);
    EXPECT_EQ(node.branch, 0);
  }
  aios_cpu_graph_node node;
  expect_refused(aios_cpu_graph_get_node(graph, 3, &node), "no node 3");
  launch(graph, stream);
  launch(graph, stream);
  ASSERT_EQ(stream.synchronize(), AIOS_STATUS_OK);
  EXPECT_EQ(b[7], 2.5f);
  EXPECT_EQ(calls, 2);
}

TEST(Graph, AnEmptyOneDoesNothing) {
  const Stream stream;
  TestGraph graph;
  begin(stream);
  end(stream, graph);
  launch(graph, stream);
  EXPECT_EQ(stream.synchronize(), AIOS_STATUS_OK);
}

TEST(Graph, IndependentBranchesRunAtTheSameTime) {
  const Threads two(2);
  const Stream first, second, other;
  const TestEvent fork, join;
  TestGraph graph;
  std::atomic<int> arrived{0}, met{0};
  int *total = new int(0);
  // Each branch waits for the other one to arrive; the time is for graphs that are broken.
  const auto meet = [&arrived, &met](aios::Team &) {
    ++arrived;
    const auto patience = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    while (arrived < 2 && std::chrono::steady_clock::now() < patience)
      std::this_thread::yield();
    met += arrived >= 2;
  };
  begin(first);
  aios_cpu_event_record(fork, first);
  ASSERT_EQ(aios_cpu_stream_wait_event(second, fork), AIOS_STATUS_OK);
  aios::enqueue(first, meet);
  aios::enqueue(second, meet);
  aios_cpu_event_record(join, second);
  ASSERT_EQ(aios_cpu_stream_wait_event(first, join), AIOS_STATUS_OK);
  aios::enqueue(first, [total, &met](aios::Team &) { *total = met; });
  end(first, graph);
  EXPECT_EQ(graph.info().branches, 2);
  launch(graph, other);
  ASSERT_EQ(other.synchronize(), AIOS_STATUS_OK);
  EXPECT_EQ(*total, 2);
  delete total;
}

TEST(Graph, IsOrderedWithItselfOnAnyStreams) {
  const Threads two(2);
  const Stream recorder, first, second;
  TestGraph graph;
  std::vector<int> order;
  begin(recorder);
  aios::enqueue(recorder, [&order](aios::Team &) { order.push_back(static_cast<int>(order.size())); });
  end(recorder, graph);
  std::atomic<bool> release{false};
  hold(first, &release);
  launch(graph, first);
  launch(graph, second);
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
  EXPECT_EQ(aios_cpu_stream_query(second), AIOS_STATUS_NOT_READY);
  release = true;
  ASSERT_EQ(second.synchronize(), AIOS_STATUS_OK);
  EXPECT_EQ(order.size(), 2u);
  ASSERT_EQ(first.synchronize(), AIOS_STATUS_OK);
}

TEST(Graph, MayBeDestroyedWhileItIsLaunched) {
  const Stream stream, branch;
  std::atomic<bool> release{false};
  int ran = 0;
  hold(stream, &release);
  {
    TestGraph graph;
    const TestEvent fork, join;
    begin(stream);
    aios_cpu_event_record(fork, stream);
    aios_cpu_stream_wait_event(branch, fork);
    aios::enqueue(branch, [&ran](aios::Team &) { ++ran; });
    aios_cpu_event_record(join, branch);
    aios_cpu_stream_wait_event(stream, join);
    aios::enqueue(stream, [&ran](aios::Team &) { ++ran; });
    end(stream, graph);
    launch(graph, stream);
    launch(graph, stream);
  }
  release = true;
  ASSERT_EQ(stream.synchronize(), AIOS_STATUS_OK);
  EXPECT_EQ(ran, 4);
}

TEST(Graph, ItsErrorsStickToTheStreamOfTheLaunchAndNameTheOp) {
  const Stream recorder, branch, stream;
  const TestEvent fork, join;
  float table[4] = {}, out[1];
  int32_t ids[1] = {9};
  int ran = 0;
  TestGraph graph;
  begin(recorder);
  aios_cpu_event_record(fork, recorder);
  aios_cpu_stream_wait_event(branch, fork);
  aios_gather(branch, out, table, ids, 1, 4, 1, 1, AIOS_DTYPE_F32);
  aios_cpu_event_record(join, branch);
  aios_cpu_stream_wait_event(recorder, join);
  aios::enqueue(recorder, [&ran](aios::Team &) { ++ran; });
  end(recorder, graph);
  launch(graph, stream);
  EXPECT_EQ(stream.synchronize(), AIOS_STATUS_EXECUTION_FAILED);
  EXPECT_STREQ(aios_last_error(), "aios_gather: ids[0] is 9, but the axis has 4 rows");
  EXPECT_EQ(ran, 0);
  EXPECT_EQ(recorder.synchronize(), AIOS_STATUS_OK);
  // The graph itself is sound: on another stream, with a good id, it runs.
  ids[0] = 3;
  launch(graph, recorder);
  EXPECT_EQ(recorder.synchronize(), AIOS_STATUS_OK);
  EXPECT_EQ(ran, 1);
}

TEST(Graph, RefusesWhatMakesNoSense) {
  const Stream stream, other, outside;
  const TestEvent fork, join, foreign, late;
  TestGraph graph, second;
  ASSERT_EQ(aios_cpu_event_record(foreign, outside), AIOS_STATUS_OK);
  expect_refused(aios_cpu_stream_end_capture(stream, graph.out()), "no capture began with this stream");
  begin(stream);
  expect_refused(aios_cpu_stream_begin_capture(stream), "captured already");
  expect_refused(stream.synchronize(), "the stream is being captured");
  expect_refused(aios_cpu_stream_query(stream), "the stream is being captured");
  expect_refused(aios_cpu_stream_wait_event(stream, foreign), "recorded outside");
  ASSERT_EQ(aios_cpu_event_record(fork, stream), AIOS_STATUS_OK);
  expect_refused(aios_cpu_event_synchronize(fork), "the event is being captured");
  expect_refused(aios_cpu_event_query(fork), "the event is being captured");
  ASSERT_EQ(aios_cpu_stream_wait_event(other, fork), AIOS_STATUS_OK);
  expect_refused(aios_cpu_stream_query(other), "the stream is being captured");
  expect_refused(aios_cpu_stream_end_capture(other, graph.out()), "no capture began with this stream");
  begin(outside);
  expect_refused(aios_cpu_stream_wait_event(outside, fork), "in another capture");
  end(outside, second);
  expect_refused(aios_cpu_graph_launch(second, stream), "cannot become part of another");
  aios::enqueue(other, [](aios::Team &) {});
  expect_refused(aios_cpu_stream_end_capture(stream, graph.out()), "branch 1 of the capture was not joined");
  EXPECT_EQ(aios_graph(graph), nullptr);
  // The capture is over for all its streams.
  EXPECT_EQ(stream.synchronize(), AIOS_STATUS_OK);
  EXPECT_EQ(other.synchronize(), AIOS_STATUS_OK);
  expect_refused(aios_cpu_stream_wait_event(stream, fork), "in a capture that has ended");
  EXPECT_EQ(aios_cpu_event_record(fork, stream), AIOS_STATUS_OK);
  EXPECT_EQ(aios_cpu_event_synchronize(fork), AIOS_STATUS_OK);
}

TEST(Graph, ACaptureEndsWithItsStream) {
  const Stream other;
  const TestEvent fork;
  {
    const Stream stream;
    begin(stream);
    aios_cpu_event_record(fork, stream);
    ASSERT_EQ(aios_cpu_stream_wait_event(other, fork), AIOS_STATUS_OK);
  }
  EXPECT_EQ(other.synchronize(), AIOS_STATUS_OK);
}

TEST(GraphUpdate, ReplacesPointersAndNumbersOfLaterLaunchesOnly) {
  const Stream stream, recorder;
  float a[4] = {}, b[4] = {};
  TestGraph graph;
  begin(recorder);
  aios_fill(recorder, a, 4, 1.0, AIOS_DTYPE_F32);
  aios_fill(recorder, a, 2, 2.0, AIOS_DTYPE_F32);
  end(recorder, graph);
  std::atomic<bool> release{false};
  hold(stream, &release);
  launch(graph, stream);
  ASSERT_EQ(aios_cpu_stream_begin_update(recorder, graph, 1, 1), AIOS_STATUS_OK);
  ASSERT_EQ(aios_fill(recorder, b, 4, 3.0, AIOS_DTYPE_F32), AIOS_STATUS_OK);
  ASSERT_EQ(aios_cpu_stream_end_update(recorder), AIOS_STATUS_OK);
  release = true;
  ASSERT_EQ(stream.synchronize(), AIOS_STATUS_OK);
  EXPECT_EQ(a[0], 2.0f); // launched before the update
  EXPECT_EQ(b[3], 0.0f);
  launch(graph, stream);
  ASSERT_EQ(stream.synchronize(), AIOS_STATUS_OK);
  EXPECT_EQ(a[0], 1.0f);
  EXPECT_EQ(b[3], 3.0f);
}

TEST(GraphUpdate, EachOfManyLaunchesInFlightHasItsOwnValues) {
  const Stream stream, recorder;
  std::vector<int> seen;
  TestGraph graph;
  const auto record = [&](int value) {
    return aios::enqueue(recorder, [&seen, value](aios::Team &) { seen.push_back(value); });
  };
  begin(recorder);
  record(0);
  end(recorder, graph);
  std::atomic<bool> release{false};
  hold(stream, &release);
  std::vector<int> expected;
  for (int i = 1; i <= 50; ++i) {
    ASSERT_EQ(aios_cpu_stream_begin_update(recorder, graph, 0, 1), AIOS_STATUS_OK);
    ASSERT_EQ(record(i), AIOS_STATUS_OK);
    ASSERT_EQ(aios_cpu_stream_end_update(recorder), AIOS_STATUS_OK);
    launch(graph, stream);
    expected.push_back(i);
  }
  release = true;
  ASSERT_EQ(stream.synchronize(), AIOS_STATUS_OK);
  EXPECT_EQ(seen, expected);
}

TEST(GraphUpdate, RefusesOtherFunctionsAndCountsAndThenChangesNothing) {
  const Stream stream;
  float a[4] = {};
  int32_t ids[1] = {0};
  TestGraph graph;
  begin(stream);
  aios_fill(stream, a, 4, 1.0, AIOS_DTYPE_F32);
  aios_fill(stream, a, 4, 2.0, AIOS_DTYPE_F32);
  end(stream, graph);
  expect_refused(aios_cpu_stream_begin_update(stream, graph, 1, 2), "nodes 1 to 2 of a graph of 2");
  expect_refused(aios_cpu_stream_end_update(stream), "no update began");

  ASSERT_EQ(aios_cpu_stream_begin_update(stream, graph, 0, 2), AIOS_STATUS_OK);
  ASSERT_EQ(aios_fill(stream, a, 4, 7.0, AIOS_DTYPE_F32), AIOS_STATUS_OK);
  expect_refused(aios_gather(stream, a, a, ids, 1, 4, 1, 1, AIOS_DTYPE_F32),
                 "node 1 of the graph is aios_fill and cannot become aios_gather");
  expect_refused(aios_cpu_stream_end_update(stream), "a call of the update failed");

  ASSERT_EQ(aios_cpu_stream_begin_update(stream, graph, 0, 2), AIOS_STATUS_OK);
  ASSERT_EQ(aios_fill(stream, a, 4, 7.0, AIOS_DTYPE_F32), AIOS_STATUS_OK);
  expect_refused(aios_cpu_stream_end_update(stream), "the update of 2 nodes from node 0 on was given 1");

  ASSERT_EQ(aios_cpu_stream_begin_update(stream, graph, 1, 1), AIOS_STATUS_OK);
  ASSERT_EQ(aios_fill(stream, a, 4, 7.0, AIOS_DTYPE_F32), AIOS_STATUS_OK);
  expect_refused(aios_fill(stream, a, 4, 7.0, AIOS_DTYPE_F32), "is given one more: aios_fill");
  expect_refused(aios_cpu_stream_end_update(stream), "a call of the update failed");

  launch(graph, stream);
  ASSERT_EQ(stream.synchronize(), AIOS_STATUS_OK);
  EXPECT_EQ(a[0], 2.0f);
}

/// A random program over streams: each command makes a cell a function of two others; events order what conflicts.
class RandomProgram {
public:
  static constexpr size_t kCells = 8, kStreams = 4;
  using Cells = std::vector<uint64_t>;

  explicit RandomProgram(uint64_t seed) {
    Random random(seed);
    const int64_t length = 1 + random.below(40);
    for (int64_t i = 0; i < length; ++i) {
      Step step{};
      step.stream = static_cast<size_t>(random.below(kStreams));
      for (size_t *cell : {&step.a, &step.b, &step.out})
        *cell = static_cast<size_t>(random.below(kCells));
      step.constant = random.bits();
      if (i > 0 && random.below(4) == 0)
        step.waits.push_back(static_cast<size_t>(random.below(i))); // for no reason
      for (size_t j = 0; j < steps_.size(); ++j)
        if (const Step &other = steps_[j]; other.stream != step.stream && conflict(other, step))
          step.waits.push_back(j);
      steps_.push_back(step);
    }
  }

  /// One thread, one command after the other: what every execution has to come to.
  void run_on_host(Cells &cells) const {
    for (const Step &step : steps_)
      cells[step.out] = combine(cells[step.a], cells[step.b], step.constant);
  }

  /// All streams begin after, and end before, what the first one is given.
  void enqueue(const std::vector<std::unique_ptr<Stream>> &streams, Cells &cells) const {
    const TestEvent fork;
    ASSERT_EQ(aios_cpu_event_record(fork, *streams[0]), AIOS_STATUS_OK);
    for (size_t s = 1; s < kStreams; ++s)
      ASSERT_EQ(aios_cpu_stream_wait_event(*streams[s], fork), AIOS_STATUS_OK);
    std::vector<std::unique_ptr<TestEvent>> done;
    uint64_t *data = cells.data();
    for (const Step &step : steps_) {
      aios_stream stream = *streams[step.stream];
      for (const size_t wait : step.waits)
        ASSERT_EQ(aios_cpu_stream_wait_event(stream, *done[wait]), AIOS_STATUS_OK) << aios_last_error();
      aios::enqueue(stream, [data, a = step.a, b = step.b, out = step.out, c = step.constant](aios::Team &) {
        data[out] = combine(data[a], data[b], c);
      });
      done.push_back(std::make_unique<TestEvent>());
      ASSERT_EQ(aios_cpu_event_record(*done.back(), stream), AIOS_STATUS_OK);
    }
    for (size_t s = 1; s < kStreams; ++s) {
      const TestEvent join;
      ASSERT_EQ(aios_cpu_event_record(join, *streams[s]), AIOS_STATUS_OK);
      ASSERT_EQ(aios_cpu_stream_wait_event(*streams[0], join), AIOS_STATUS_OK);
    }
  }

private:
  struct Step {
    size_t stream, a, b, out;
    uint64_t constant;
    std::vector<size_t> waits;
  };

  static uint64_t combine(uint64_t a, uint64_t b, uint64_t c) { return (a * 3 + b * 5 + c) * 0x9e3779b97f4a7c15u; }
  static bool conflict(const Step &x, const Step &y) {
    return x.out == y.a || x.out == y.b || x.out == y.out || x.a == y.out || x.b == y.out;
  }

  std::vector<Step> steps_;
};

void run_random_programs(uint64_t first, uint64_t count, bool adversarial) {
  for (uint64_t seed = first; seed < first + count; ++seed) {
    const Adversary adversary(adversarial ? seed : 0);
    const RandomProgram program(seed);
    std::vector<std::unique_ptr<Stream>> streams;
    for (size_t s = 0; s < RandomProgram::kStreams; ++s)
      streams.push_back(std::make_unique<Stream>(static_cast<int32_t>(s % 3) - 1));
    RandomProgram::Cells expected(RandomProgram::kCells), eager, replayed;
    for (size_t i = 0; i < expected.size(); ++i)
      expected[i] = i + 1;
    eager = replayed = expected;

    TestGraph graph;
    begin(*streams[0]);
    program.enqueue(streams, replayed);
    end(*streams[0], graph);
    for (int round = 0; round < 3; ++round) {
      program.run_on_host(expected);
      program.enqueue(streams, eager);
      ASSERT_EQ(streams[0]->synchronize(), AIOS_STATUS_OK);
      launch(graph, *streams[static_cast<size_t>(round)]);
      ASSERT_EQ(streams[static_cast<size_t>(round)]->synchronize(), AIOS_STATUS_OK);
      ASSERT_EQ(eager, expected) << "eager, seed " << seed << ", round " << round;
      ASSERT_EQ(replayed, expected) << "replayed, seed " << seed << ", round " << round;
    }
  }
}

TEST(GraphProperty, RandomProgramsComeToTheSameEagerAndReplayed) {
  run_random_programs(1, 150, false);
}

TEST(GraphProperty, RandomProgramsComeToTheSameAgainstAnAdversary) {
  run_random_programs(1000, 25, true);
}

} // namespace

// What streams do beyond running commands in order: priorities, callbacks, names of errors, an adversary, traces.
#include <chrono>
#include <cstring>
#include <string>
#include <vector>

#include "aios_kernels.h"
#include "device_test.h"
#include "ready_queue.h"
#include "stream.h"

namespace {

using device_test::Adversary;
using device_test::hold;
using device_test::Stream;
using device_test::TestEvent;
using device_test::Threads;

TEST(Priority, TheMostUrgentStreamThatIsReadyGoesFirst) {
  const Threads one(1);
  const Stream busy, low(AIOS_CPU_PRIORITY_LOW), normal, high(AIOS_CPU_PRIORITY_HIGH);
  std::atomic<bool> release{false}, started{false};
  aios::enqueue(busy, [&](aios::Team &) { started = true; });
  hold(busy, &release);
  while (!started)
    std::this_thread::yield();
  std::vector<int> order;
  const auto note = [&order](aios_stream stream, int who) {
    aios::enqueue(stream, [&order, who](aios::Team &) { order.push_back(who); });
  };
  note(low, 3);
  note(normal, 2);
  note(high, 1);
  release = true;
  for (aios_stream stream : {aios_stream(low), aios_stream(normal), aios_stream(high)})
    ASSERT_EQ(aios_cpu_stream_synchronize(stream), AIOS_STATUS_OK);
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
}

TEST(Priority, AStreamIsLeftForAMoreUrgentOneBetweenTwoCommands) {
  const Threads one(1);
  const Stream low(AIOS_CPU_PRIORITY_LOW), high(AIOS_CPU_PRIORITY_HIGH);
  std::atomic<bool> release{false}, started{false};
  std::vector<int> order;
  aios::enqueue(low, [&](aios::Team &) { started = true; });
  hold(low, &release);
  for (int i = 0; i < 3; ++i)
    aios::enqueue(low, [&order](aios::Team &) { order.push_back(2); });
  while (!started)
    std::this_thread::yield();
  aios::enqueue(high, [&order](aios::Team &) { order.push_back(1); });
  release = true;
  ASSERT_EQ(low.synchronize(), AIOS_STATUS_OK);
  ASSERT_EQ(high.synchronize(), AIOS_STATUS_OK);
  EXPECT_EQ(order, (std::vector<int>{1, 2, 2, 2}));
}

TEST(Priority, NobodyIsPassedOverForever) {
  aios::cpu::ReadyQueue queue;
  const Stream low(AIOS_CPU_PRIORITY_LOW), normal, high(AIOS_CPU_PRIORITY_HIGH);
  queue.push(low);
  queue.push(normal);
  int before_low = 0, before_normal = 0;
  bool low_served = false, normal_served = false, more = false;
  for (int turn = 0; turn < 200 && !(low_served && normal_served); ++turn) {
    queue.push(high);
    for (aios_stream next = nullptr; next != aios_stream(high);) {
      next = queue.pop(more);
      low_served |= next == aios_stream(low);
      normal_served |= next == aios_stream(normal);
    }
    before_low += !low_served;
    before_normal += !normal_served;
  }
  EXPECT_TRUE(low_served && normal_served);
  EXPECT_GE(before_normal, 10);
  EXPECT_GE(before_low, 10);
  EXPECT_EQ(queue.pop(more), nullptr);
  EXPECT_TRUE(queue.empty());
}

TEST(Priority, OthersAreRefused) {
  aios_stream stream = nullptr;
  EXPECT_EQ(aios_cpu_stream_create(&stream, 2), AIOS_STATUS_INVALID_ARGUMENT);
  EXPECT_STREQ(aios_last_error(), "priority is 2; it must be -1 to 1");
}

struct Call {
  std::vector<int> *order;
  int number;
  aios_status fail_with = AIOS_STATUS_OK;
  aios_status seen = AIOS_STATUS_INTERNAL;
  std::string text = "never called";
};

aios_status note_call(void *user, aios_status status, char *message) {
  Call &call = *static_cast<Call *>(user);
  call.order->push_back(call.number);
  call.seen = status;
  call.text = message;
  if (call.fail_with != AIOS_STATUS_OK)
    std::snprintf(message, 512, "call %d failed", call.number);
  return call.fail_with;
}

TEST(Callback, IsCalledInOrderAndAlsoAfterAFailure) {
  const Stream stream;
  std::vector<int> order;
  Call first{&order, 1}, second{&order, 3};
  ASSERT_EQ(aios_cpu_stream_callback(stream, note_call, &first), AIOS_STATUS_OK);
  aios::enqueue(stream, [&order](aios::Team &team) {
    order.push_back(2);
    team.fail(AIOS_STATUS_EXECUTION_FAILED, "broken");
  });
  aios::enqueue(stream, [&order](aios::Team &) { order.push_back(99); });
  ASSERT_EQ(aios_cpu_stream_callback(stream, note_call, &second), AIOS_STATUS_OK);
  EXPECT_EQ(stream.synchronize(), AIOS_STATUS_EXECUTION_FAILED);
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(first.seen, AIOS_STATUS_OK);
  EXPECT_EQ(first.text, "");
  EXPECT_EQ(second.seen, AIOS_STATUS_EXECUTION_FAILED);
  EXPECT_EQ(second.text, "broken");
}

TEST(Callback, ItsFailureSticksToTheStream) {
  const Stream stream;
  std::vector<int> order;
  Call failing{&order, 1, AIOS_STATUS_EXECUTION_FAILED}, late{&order, 2, AIOS_STATUS_INTERNAL};
  aios_cpu_stream_callback(stream, note_call, &failing);
  aios::enqueue(stream, [&order](aios::Team &) { order.push_back(99); });
  aios_cpu_stream_callback(stream, note_call, &late);
  EXPECT_EQ(stream.synchronize(), AIOS_STATUS_EXECUTION_FAILED);
  EXPECT_STREQ(aios_last_error(), "call 1 failed");
  EXPECT_EQ(late.seen, AIOS_STATUS_EXECUTION_FAILED);
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
  EXPECT_EQ(aios_cpu_stream_callback(stream, nullptr, nullptr), AIOS_STATUS_INVALID_ARGUMENT);
}

TEST(Callback, OfAnEventComesOnceWhenItIsRecordedAndReached) {
  const Threads two(2);
  const Stream stream, failed;
  const TestEvent never, event, bad;
  std::vector<int> order;
  Call first{&order, 1}, second{&order, 2}, third{&order, 3}, fourth{&order, 4};
  ASSERT_EQ(aios_cpu_event_callback(never, note_call, &first), AIOS_STATUS_OK);
  EXPECT_EQ(first.seen, AIOS_STATUS_OK);
  std::atomic<bool> release{false};
  hold(stream, &release);
  aios_cpu_event_record(event, stream);
  ASSERT_EQ(aios_cpu_event_callback(event, note_call, &second), AIOS_STATUS_OK);
  EXPECT_EQ(order, (std::vector<int>{1}));
  release = true;
  aios::enqueue(stream, [](aios::Team &) {}); // when this has run, the callback has been called
  ASSERT_EQ(stream.synchronize(), AIOS_STATUS_OK);
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
  ASSERT_EQ(aios_cpu_event_callback(event, note_call, &third), AIOS_STATUS_OK);
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
  aios::enqueue(failed, [](aios::Team &team) { team.fail(AIOS_STATUS_EXECUTION_FAILED, "broken"); });
  aios_cpu_event_record(bad, failed);
  EXPECT_EQ(failed.synchronize(), AIOS_STATUS_EXECUTION_FAILED);
  ASSERT_EQ(aios_cpu_event_callback(bad, note_call, &fourth), AIOS_STATUS_OK);
  EXPECT_EQ(fourth.text, "broken");
}

TEST(Errors, NameTheFunctionAndTheCallSite) {
  const float table[4] = {};
  float out[1];
  const int32_t ids[1] = {70000};
  {
    const Stream stream;
    ASSERT_EQ(aios_gather(stream, out, table, ids, 1, 4, 1, 1, AIOS_DTYPE_F32), AIOS_STATUS_OK);
    EXPECT_EQ(stream.synchronize(), AIOS_STATUS_EXECUTION_FAILED);
    EXPECT_STREQ(aios_last_error(), "aios_gather: ids[0] is 70000, but the axis has 4 rows");
  }
  const Stream stream;
  aios_cpu_set_call_site("Model.cs:17");
  ASSERT_EQ(aios_gather(stream, out, table, ids, 1, 4, 1, 1, AIOS_DTYPE_F32), AIOS_STATUS_OK);
  aios_cpu_set_call_site(nullptr);
  EXPECT_EQ(stream.synchronize(), AIOS_STATUS_EXECUTION_FAILED);
  EXPECT_STREQ(aios_last_error(), "aios_gather: ids[0] is 70000, but the axis has 4 rows, enqueued at Model.cs:17");
}

TEST(Adversary, HoldsBackWhatNobodyWaitsForAndNothingElse) {
  // Without an adversary a short command has practically always run after a millisecond; a busy machine only holds back
  // more of them.
  int held = 0;
  const Adversary adversary(7);
  for (int round = 0; round < 40; ++round) {
    const Stream stream;
    std::atomic<bool> ran{false};
    const auto start = std::chrono::steady_clock::now();
    aios::enqueue(stream, [&ran](aios::Team &) { ran = true; });
    while (!ran)
      std::this_thread::yield();
    held += std::chrono::steady_clock::now() - start > std::chrono::milliseconds(1);
    ASSERT_EQ(stream.synchronize(), AIOS_STATUS_OK);
  }
  EXPECT_GT(held, 4);
}

/// Whether the planted bug shows: a reader that does not wait for the writer, although it usually comes second.
bool missing_wait_shows(bool wait) {
  const Stream writer, reader;
  const TestEvent written;
  int value = 0, seen = -1;
  aios::enqueue(writer, [&value](aios::Team &) { std::atomic_ref<int>(value).store(1); });
  aios_cpu_event_record(written, writer);
  if (wait)
    aios_cpu_stream_wait_event(reader, written);
  std::this_thread::sleep_for(std::chrono::microseconds(300));
  aios::enqueue(reader, [&value, &seen](aios::Team &) { seen = std::atomic_ref<int>(value).load(); });
  EXPECT_EQ(reader.synchronize(), AIOS_STATUS_OK);
  EXPECT_EQ(writer.synchronize(), AIOS_STATUS_OK);
  return seen != 1;
}

TEST(Adversary, ShowsAMissingWaitAndSparesACorrectProgram) {
  bool shown = false;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    const Adversary adversary(seed);
    shown |= missing_wait_shows(false);
    EXPECT_FALSE(missing_wait_shows(true)) << "seed " << seed;
  }
  EXPECT_TRUE(shown);
}

TEST(Adversary, KeepsTheOrderOfEventsAcrossStreams) {
  const Adversary adversary(3);
  constexpr int kStreams = 4, kRounds = 100;
  const Stream streams[kStreams];
  const TestEvent event;
  int64_t next = 0, errors = 0;
  for (int64_t i = 0; i < kStreams * kRounds; ++i) {
    aios_stream stream = streams[i * 7 % kStreams];
    ASSERT_EQ(aios_cpu_stream_wait_event(stream, event), AIOS_STATUS_OK);
    aios::enqueue(stream, [i, &next, &errors](aios::Team &) { errors += next++ != i; });
    ASSERT_EQ(aios_cpu_event_record(event, stream), AIOS_STATUS_OK);
  }
  ASSERT_EQ(aios_cpu_event_synchronize(event), AIOS_STATUS_OK);
  EXPECT_EQ(next, kStreams * kRounds);
  EXPECT_EQ(errors, 0);
}

std::vector<aios_cpu_trace_record> stop_trace(int64_t *dropped) {
  int64_t count = 0;
  EXPECT_EQ(aios_cpu_trace_stop(&count, dropped), AIOS_STATUS_OK);
  std::vector<aios_cpu_trace_record> records(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i)
    EXPECT_EQ(aios_cpu_trace_read(i, &records[static_cast<size_t>(i)]), AIOS_STATUS_OK);
  return records;
}

TEST(Trace, RecordsCommandsWithNamesTimesAndBytes) {
  const Stream stream;
  int64_t number = -1;
  ASSERT_EQ(aios_cpu_stream_get_number(stream, &number), AIOS_STATUS_OK);
  float values[256] = {}, copy[256];
  aios_fill(stream, values, 256, 3.0, AIOS_DTYPE_F32); // before the trace, and done
  ASSERT_EQ(stream.synchronize(), AIOS_STATUS_OK);
  ASSERT_EQ(aios_cpu_trace_start(100), AIOS_STATUS_OK);
  EXPECT_EQ(aios_cpu_trace_start(100), AIOS_STATUS_INVALID_ARGUMENT);
  ASSERT_EQ(aios_fill(stream, values, 256, 3.0, AIOS_DTYPE_F32), AIOS_STATUS_OK);
  ASSERT_EQ(aios_cpu_memcpy_async(stream, copy, values, sizeof values), AIOS_STATUS_OK);
  ASSERT_EQ(aios_cpu_memset_async(stream, values, 0, 100), AIOS_STATUS_OK);
  ASSERT_EQ(stream.synchronize(), AIOS_STATUS_OK);
  int64_t dropped = -1;
  const std::vector<aios_cpu_trace_record> records = stop_trace(&dropped);
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(dropped, 0);
  const char *names[] = {"aios_fill", "copy", "fill"};
  const int64_t bytes[] = {0, 1024, 100};
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_STREQ(records[i].name, names[i]);
    EXPECT_EQ(records[i].bytes, bytes[i]);
    EXPECT_EQ(records[i].stream, number);
    EXPECT_EQ(records[i].branch, 0);
    EXPECT_GT(records[i].thread, 0);
    EXPECT_LE(records[i].enqueued_ns, records[i].start_ns);
    EXPECT_LE(records[i].start_ns, records[i].end_ns);
    if (i > 0) {
      EXPECT_LE(records[i - 1].end_ns, records[i].start_ns);
    }
  }
  aios_cpu_trace_record record;
  EXPECT_EQ(aios_cpu_trace_read(3, &record), AIOS_STATUS_INVALID_ARGUMENT);
  EXPECT_EQ(aios_cpu_trace_read(-1, &record), AIOS_STATUS_INVALID_ARGUMENT);
}

TEST(Trace, CountsWhatItHasNoRoomFor) {
  EXPECT_EQ(aios_cpu_trace_start(0), AIOS_STATUS_INVALID_ARGUMENT);
  ASSERT_EQ(aios_cpu_trace_start(10), AIOS_STATUS_OK);
  {
    const Stream streams[4];
    std::vector<std::thread> threads;
    for (const Stream &stream : streams)
      threads.emplace_back([&stream] {
        for (int i = 0; i < 50; ++i)
          aios::enqueue(stream, [](aios::Team &) {});
      });
    for (std::thread &thread : threads)
      thread.join();
  }
  int64_t dropped = 0;
  EXPECT_EQ(stop_trace(&dropped).size(), 10u);
  EXPECT_EQ(dropped, 190);
}

TEST(Trace, MayEndWhileCommandsRun) {
  const Stream stream;
  for (int round = 0; round < 20; ++round) {
    ASSERT_EQ(aios_cpu_trace_start(1000), AIOS_STATUS_OK);
    for (int i = 0; i < 200; ++i)
      aios::enqueue(stream, [](aios::Team &) {});
    int64_t dropped = 0;
    for (const aios_cpu_trace_record &record : stop_trace(&dropped)) {
      EXPECT_LE(record.start_ns, record.end_ns);
    }
  }
  EXPECT_EQ(stream.synchronize(), AIOS_STATUS_OK);
}

} // namespace

// The device half: streams, events, the pool, memory.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

#include "device_test.h"
#include "topology.h"

namespace {

using device_test::hold;
using device_test::Stream;
using device_test::TestEvent;
using device_test::Threads;

/// Says so when the processor lacks the instruction set that AIOS_CPU_ISA asks for, instead of testing another one.
class IsaAvailable : public testing::Environment {
  void SetUp() override {
    aios_cpu_info info;
    if (aios_cpu_get_info(&info) != AIOS_STATUS_OK)
      GTEST_SKIP() << aios_last_error();
  }
};
[[maybe_unused]] const auto *const isa_available = testing::AddGlobalTestEnvironment(new IsaAvailable);

TEST(Stream, RunsCommandsInOrderAcrossManyTurnsOfTheRing) {
  Stream stream;
  int64_t next = 0, errors = 0;
  for (int64_t i = 0; i < 5000; ++i)
    ASSERT_EQ(aios::enqueue(stream, [i, &next, &errors](aios::Team &) { errors += next++ != i; }), AIOS_STATUS_OK);
  ASSERT_EQ(stream.synchronize(), AIOS_STATUS_OK);
  EXPECT_EQ(next, 5000);
  EXPECT_EQ(errors, 0);
}

TEST(Stream, CarriesTheLargestBody) {
  struct Body {
    unsigned char bytes[aios::kCommandBytes - sizeof(void *)];
    int64_t *sum;
    void operator()(aios::Team &) const {
      for (unsigned char byte : bytes)
        *sum += byte;
    }
  };
  Stream stream;
  int64_t sum = 0, expected = 0;
  Body body{};
  body.sum = &sum;
  for (size_t i = 0; i < sizeof body.bytes; ++i)
    expected += body.bytes[i] = static_cast<unsigned char>(i * 7);
  ASSERT_EQ(aios::enqueue(stream, body), AIOS_STATUS_OK);
  std::memset(body.bytes, 0, sizeof body.bytes);
  ASSERT_EQ(stream.synchronize(), AIOS_STATUS_OK);
  EXPECT_EQ(sum, expected);
}

TEST(Stream, KeepsTheOrderOfEachOfManyHostThreads) {
  constexpr int kThreads = 6, kCommands = 3000;
  Stream shared;
  int64_t next[kThreads] = {}, errors = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      for (int64_t i = 0; i < kCommands; ++i)
        aios::enqueue(shared, [=, &next, &errors](aios::Team &) { errors += next[t]++ != i; });
    });
  for (std::thread &thread : threads)
    thread.join();
  ASSERT_EQ(shared.synchronize(), AIOS_STATUS_OK);
  EXPECT_EQ(errors, 0);
  for (int64_t count : next)
    EXPECT_EQ(count, kCommands);
}

// A drainer gives an empty stream up just when the next command comes in; with more threads than processors it is often
// preempted half-way.
TEST(Stream, ACommandThatMeetsALeavingDrainerRunsOnce) {
  constexpr int kThreads = 8, kCommands = 4000;
  std::atomic<int64_t> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&wrong, t] {
      Stream stream;
      int64_t runs = 0, *count = &runs;
      for (int64_t command = 1; command <= kCommands; ++command) {
        aios::enqueue(stream, [=](aios::Team &) { ++*count; });
        if (stream.synchronize() != AIOS_STATUS_OK || runs != command)
          ++wrong;
        for (int64_t spin = 0; spin < (command * 37 + t) % 997; ++spin)
          asm volatile("");
      }
      EXPECT_EQ(stream.synchronize(), AIOS_STATUS_OK);
      EXPECT_EQ(runs, int64_t{kCommands});
    });
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(wrong.load(), 0);
}

TEST(Stream, ManyStreamsOfManyHostThreadsShareThePool) {
  constexpr int kThreads = 8;
  std::atomic<int64_t> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&wrong] {
      for (int round = 0; round < 10; ++round) {
        Stream stream;
        std::vector<int64_t> data(1000, 0);
        int64_t *values = data.data();
        for (int pass = 0; pass < 20; ++pass)
          aios::enqueue(stream, [=](aios::Team &team) {
            team.parallel_for(10, [=](int64_t task, int) {
              for (int64_t i = task * 100; i < task * 100 + 100; ++i)
                values[i] += i;
            });
          });
        if (stream.synchronize() != AIOS_STATUS_OK)
          ++wrong;
        for (int64_t i = 0; i < 1000; ++i)
          wrong += data[static_cast<size_t>(i)] != 20 * i;
      }
    });
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(wrong.load(), 0);
}

TEST(Stream, AStreamThatWaitsBlocksNoOther) {
  Threads threads(2);
  Stream busy, waiting[4], free_stream;
  TestEvent event;
  std::atomic<bool> release{false};
  hold(busy, &release);
  ASSERT_EQ(aios_cpu_event_record(event, busy), AIOS_STATUS_OK);
  int ran = 0, done = 0;
  for (aios_stream stream :
       {aios_stream(waiting[0]), aios_stream(waiting[1]), aios_stream(waiting[2]), aios_stream(waiting[3])}) {
    ASSERT_EQ(aios_cpu_stream_wait_event(stream, event), AIOS_STATUS_OK);
    ASSERT_EQ(aios::enqueue(stream, [&release, counter = std::addressof(ran)](
                                        aios::Team &) { std::atomic_ref<int>(*counter) += release.load() ? 1 : 100; }),
              AIOS_STATUS_OK);
  }
  // One worker is held and four streams are parked; the other worker still serves this stream.
  aios::enqueue(free_stream, [&done](aios::Team &) { done = 1; });
  ASSERT_EQ(free_stream.synchronize(), AIOS_STATUS_OK);
  EXPECT_EQ(done, 1);
  EXPECT_EQ(aios_cpu_stream_query(waiting[0]), AIOS_STATUS_NOT_READY);
  EXPECT_EQ(aios_cpu_event_query(event), AIOS_STATUS_NOT_READY);
  release = true;
  for (const Stream &stream : waiting)
    ASSERT_EQ(stream.synchronize(), AIOS_STATUS_OK);
  EXPECT_EQ(ran, 4);
}

TEST(Stream, AFullRingWaitsForRoom) {
  Stream stream;
  std::atomic<bool> release{false};
  std::atomic<int> enqueued{0};
  int ran = 0;
  hold(stream, &release);
  std::thread host([&] {
    for (int i = 0; i < 2000; ++i) {
      aios::enqueue(stream, [&ran](aios::Team &) { ++ran; });
      ++enqueued;
    }
  });
  while (enqueued.load() < 500)
    std::this_thread::yield();
  EXPECT_LT(enqueued.load(), 600);
  release = true;
  host.join();
  ASSERT_EQ(stream.synchronize(), AIOS_STATUS_OK);
  EXPECT_EQ(ran, 2000);
}

TEST(Stream, TheFirstErrorSticksAndLaterWorkIsSkipped) {
  Stream stream, other;
  TestEvent event;
  int ran = 0;
  aios::enqueue(stream, [](aios::Team &team) { team.fail(AIOS_STATUS_EXECUTION_FAILED, "id %d\nis bad", 7); });
  aios::enqueue(stream, [&ran](aios::Team &team) {
    ++ran;
    team.fail(AIOS_STATUS_INTERNAL, "second");
  });
  ASSERT_EQ(aios_cpu_event_record(event, stream), AIOS_STATUS_OK);
  ASSERT_EQ(aios_cpu_stream_wait_event(other, event), AIOS_STATUS_OK);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(stream.synchronize(), AIOS_STATUS_EXECUTION_FAILED);
    EXPECT_STREQ(aios_last_error(), "id 7 is bad");
  }
  EXPECT_EQ(aios_cpu_stream_query(stream), AIOS_STATUS_EXECUTION_FAILED);
  EXPECT_EQ(ran, 0);
  EXPECT_EQ(aios_cpu_event_synchronize(event), AIOS_STATUS_OK);
  EXPECT_EQ(other.synchronize(), AIOS_STATUS_OK);
}

TEST(Stream, ABadArgumentIsNamed) {
  EXPECT_EQ(aios::enqueue(nullptr, [](aios::Team &) {}), AIOS_STATUS_INVALID_ARGUMENT);
  EXPECT_STREQ(aios_last_error(), "stream is null");
  EXPECT_EQ(aios_cpu_set_threads(0), AIOS_STATUS_INVALID_ARGUMENT);
  EXPECT_EQ(aios_cpu_set_threads(1025), AIOS_STATUS_INVALID_ARGUMENT);
  EXPECT_STREQ(aios_last_error(), "threads is 1025; it must be 1 to 1024");
  EXPECT_EQ(aios_cpu_stream_destroy(nullptr), AIOS_STATUS_OK);
}

TEST(Event, ChainsOrderWorkAcrossStreams) {
  constexpr int kStreams = 5, kRounds = 200;
  Stream streams[kStreams];
  TestEvent event;
  int64_t next = 0, errors = 0;
  for (int64_t i = 0; i < kStreams * kRounds; ++i) {
    aios_stream stream = streams[i % kStreams];
    ASSERT_EQ(aios_cpu_stream_wait_event(stream, event), AIOS_STATUS_OK);
    aios::enqueue(stream, [i, &next, &errors](aios::Team &) { errors += next++ != i; });
    ASSERT_EQ(aios_cpu_event_record(event, stream), AIOS_STATUS_OK);
  }
  ASSERT_EQ(aios_cpu_event_synchronize(event), AIOS_STATUS_OK);
  EXPECT_EQ(next, kStreams * kRounds);
  EXPECT_EQ(errors, 0);
}

TEST(Event, IsASnapshotAndMayBeDestroyedWhileOthersWaitForIt) {
  const Threads two(2); // one is held while the other one goes on
  Stream source, sink;
  std::atomic<bool> first{false}, second{false};
  aios_event event = nullptr;
  ASSERT_EQ(aios_cpu_event_create(&event), AIOS_STATUS_OK);
  hold(source, &first);
  ASSERT_EQ(aios_cpu_event_record(event, source), AIOS_STATUS_OK);
  ASSERT_EQ(aios_cpu_stream_wait_event(sink, event), AIOS_STATUS_OK);
  hold(source, &second);
  ASSERT_EQ(aios_cpu_event_record(event, source), AIOS_STATUS_OK);
  EXPECT_EQ(aios_cpu_event_query(event), AIOS_STATUS_NOT_READY);
  ASSERT_EQ(aios_cpu_event_destroy(event), AIOS_STATUS_OK);
  first = true;
  // The wait was for the first recording only.
  EXPECT_EQ(sink.synchronize(), AIOS_STATUS_OK);
  EXPECT_EQ(aios_cpu_stream_query(source), AIOS_STATUS_NOT_READY);
  second = true;
}

TEST(Event, OutlivesItsStream) {
  TestEvent event;
  {
    Stream stream;
    ASSERT_EQ(aios_cpu_event_record(event, stream), AIOS_STATUS_OK);
  }
  Stream other;
  EXPECT_EQ(aios_cpu_event_query(event), AIOS_STATUS_OK);
  EXPECT_EQ(aios_cpu_event_synchronize(event), AIOS_STATUS_OK);
  EXPECT_EQ(aios_cpu_stream_wait_event(other, event), AIOS_STATUS_OK);
  EXPECT_EQ(other.synchronize(), AIOS_STATUS_OK);
}

TEST(Event, MeasuresTheTimeBetweenRecordings) {
  Stream stream;
  TestEvent start, end, never;
  float milliseconds = -1;
  EXPECT_EQ(aios_cpu_event_elapsed(&milliseconds, start, end), AIOS_STATUS_INVALID_ARGUMENT);
  EXPECT_EQ(aios_cpu_event_query(never), AIOS_STATUS_OK);
  EXPECT_EQ(aios_cpu_event_synchronize(never), AIOS_STATUS_OK);
  std::atomic<bool> release{false};
  ASSERT_EQ(aios_cpu_event_record(start, stream), AIOS_STATUS_OK);
  ASSERT_EQ(aios_cpu_event_synchronize(start), AIOS_STATUS_OK); // the sleep below lies between the two, however busy
  hold(stream, &release);
  ASSERT_EQ(aios_cpu_event_record(end, stream), AIOS_STATUS_OK);
  EXPECT_EQ(aios_cpu_event_elapsed(&milliseconds, start, end), AIOS_STATUS_NOT_READY);
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
  release = true;
  ASSERT_EQ(aios_cpu_event_synchronize(end), AIOS_STATUS_OK);
  ASSERT_EQ(aios_cpu_event_elapsed(&milliseconds, start, end), AIOS_STATUS_OK);
  EXPECT_GE(milliseconds, 2.0f);
}

TEST(Team, ParallelForRunsEachTaskOnceAndNoWorkerTwiceAtATime) {
  for (int count : {1, 2, 3, 7}) {
    Threads threads(count);
    Stream stream;
    std::vector<std::atomic<int>> runs(1000);
    std::vector<std::atomic<int>> inside(static_cast<size_t>(count));
    std::atomic<int> errors{0};
    for (int round = 0; round < 50; ++round)
      aios::enqueue(stream, [&](aios::Team &team) {
        team.parallel_for(1000, [&](int64_t task, int worker) {
          if (worker < 0 || worker >= team.threads() || inside[static_cast<size_t>(worker)]++ != 0)
            ++errors;
          runs[static_cast<size_t>(task)]++;
          static_cast<char *>(team.scratch(worker))[task] = 1;
          inside[static_cast<size_t>(worker)]--;
        });
      });
    ASSERT_EQ(stream.synchronize(), AIOS_STATUS_OK);
    EXPECT_EQ(errors.load(), 0);
    for (const std::atomic<int> &run : runs)
      EXPECT_EQ(run.load(), 50);
  }
}

TEST(Team, ANestedLoopRunsInPlace) {
  Stream stream;
  std::atomic<int> sum{0}, strangers{0};
  aios::enqueue(stream, [&](aios::Team &team) {
    team.parallel_for(8, [&](int64_t, int worker) {
      team.parallel_for(8, [&](int64_t task, int inner) {
        sum += static_cast<int>(task);
        strangers += inner != worker;
      });
    });
  });
  ASSERT_EQ(stream.synchronize(), AIOS_STATUS_OK);
  EXPECT_EQ(sum.load(), 8 * 28);
  EXPECT_EQ(strangers.load(), 0);
}

TEST(Pool, SetThreadsWaitsForTheWorkAndKeepsStreamsUsable) {
  Threads restore(2);
  Stream streams[3];
  std::atomic<int> ran{0};
  for (int count : {1, 4, 2, 8, 1}) {
    const int before = ran.load();
    for (const Stream &stream : streams)
      for (int i = 0; i < 100; ++i)
        aios::enqueue(stream, [&ran](aios::Team &) { ++ran; });
    ASSERT_EQ(aios_cpu_set_threads(count), AIOS_STATUS_OK);
    EXPECT_EQ(ran.load(), before + 300);
    aios_cpu_info info;
    ASSERT_EQ(aios_cpu_get_info(&info), AIOS_STATUS_OK);
    EXPECT_EQ(info.threads, count);
  }
}

#if !defined(__SANITIZE_THREAD__) // which does not follow threads into a forked child
TEST(Pool, AForkedChildGetsWorkersOfItsOwn) {
  if (std::getenv("AIOS_EMULATED") != nullptr)
    GTEST_SKIP() << "qemu aborts when a forked child starts a thread";
  Stream stream;
  // The sanitizers' allocators are not made for a fork while another thread allocates: all workers have started when
  // each of them runs a task.
  aios::enqueue(stream, [](aios::Team &team) {
    int arrived = 0;
    team.parallel_for(team.threads(), [&arrived, &team](int64_t, int) {
      const std::atomic_ref<int> count(arrived);
      count++;
      const auto patience = std::chrono::steady_clock::now() + std::chrono::minutes(1);
      while (count < team.threads() && std::chrono::steady_clock::now() < patience)
        std::this_thread::yield();
    });
  });
  ASSERT_EQ(stream.synchronize(), AIOS_STATUS_OK);
  const pid_t child = fork();
  if (child == 0) {
    int ran = 0;
    aios::enqueue(stream, [&ran](aios::Team &team) {
      team.parallel_for(10, [&ran](int64_t, int) { std::atomic_ref<int>(ran)++; });
    });
    const bool good = aios_cpu_stream_synchronize(stream) == AIOS_STATUS_OK && ran == 10;
    _exit(good ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}
#endif

TEST(Memory, BlocksAreAligned) {
  for (int64_t bytes :
       {int64_t{1}, int64_t{63}, int64_t{64}, int64_t{100000}, int64_t{2} << 20, (int64_t{5} << 20) + 1}) {
    void *memory = nullptr;
    ASSERT_EQ(aios_cpu_alloc(&memory, bytes), AIOS_STATUS_OK);
    const uintptr_t alignment = bytes >= (2 << 20) ? 2u << 20 : 64u;
    EXPECT_EQ(reinterpret_cast<uintptr_t>(memory) % alignment, 0u) << bytes;
    static_cast<char *>(memory)[0] = 1;
    static_cast<char *>(memory)[bytes - 1] = 1;
    EXPECT_EQ(aios_cpu_free(memory, bytes), AIOS_STATUS_OK);
  }
  void *memory = nullptr;
  EXPECT_EQ(aios_cpu_alloc(&memory, 0), AIOS_STATUS_INVALID_ARGUMENT);
  EXPECT_EQ(aios_cpu_alloc(&memory, INT64_MAX), AIOS_STATUS_OUT_OF_MEMORY);
  EXPECT_EQ(aios_cpu_alloc(&memory, int64_t{1} << 60), AIOS_STATUS_OUT_OF_MEMORY);
  EXPECT_EQ(aios_cpu_free(nullptr, 10), AIOS_STATUS_OK);
}

TEST(Memory, CopiesAndFillsExactlyTheirBytes) {
  Stream stream;
  for (size_t bytes : {size_t{0}, size_t{1}, size_t{4097}, size_t{3} << 20}) {
    const std::unique_ptr<unsigned char[]> source(new unsigned char[bytes]), copy(new unsigned char[bytes]);
    for (size_t i = 0; i < bytes; ++i)
      source[i] = static_cast<unsigned char>(i * 31 + i / 251);
    const auto size = static_cast<int64_t>(bytes);
    ASSERT_EQ(aios_cpu_memcpy_async(stream, copy.get(), source.get(), size), AIOS_STATUS_OK);
    ASSERT_EQ(stream.synchronize(), AIOS_STATUS_OK);
    EXPECT_EQ(std::memcmp(copy.get(), source.get(), bytes), 0);
    ASSERT_EQ(aios_cpu_memset_async(stream, copy.get(), 255, size), AIOS_STATUS_OK);
    ASSERT_EQ(stream.synchronize(), AIOS_STATUS_OK);
    EXPECT_EQ(static_cast<size_t>(std::count(copy.get(), copy.get() + bytes, 255)), bytes);
  }
  char byte = 0;
  EXPECT_EQ(aios_cpu_memcpy_async(stream, nullptr, &byte, 1), AIOS_STATUS_INVALID_ARGUMENT);
  EXPECT_EQ(aios_cpu_memset_async(stream, &byte, 256, 1), AIOS_STATUS_INVALID_ARGUMENT);
  EXPECT_EQ(aios_cpu_memset_async(stream, &byte, 0, -1), AIOS_STATUS_INVALID_ARGUMENT);
}

TEST(Info, DescribesTheDevice) {
  aios_cpu_info info;
  ASSERT_EQ(aios_cpu_get_info(&info), AIOS_STATUS_OK);
  EXPECT_GT(std::strlen(info.name), 0u);
  EXPECT_EQ(info.threads, aios::pool_threads());
  EXPECT_GE(info.cores, 1);
  EXPECT_EQ(info.quota == 0 ? aios::cpu::kNoQuota : info.quota, aios::cpu::quota_cores());
  EXPECT_GT(info.memory_bytes, 1 << 20);
  const char *wish = std::getenv("AIOS_CPU_ISA");
  if (wish != nullptr && *wish != '\0')
    EXPECT_STREQ(info.isa, wish);
  else
    EXPECT_GT(std::strlen(info.isa), 0u);
  EXPECT_EQ(aios_abi_version(), AIOS_ABI_VERSION);
  EXPECT_STREQ(aios_status_name(AIOS_STATUS_NOT_READY), "AIOS_STATUS_NOT_READY");
  EXPECT_STREQ(aios_status_name(99), "unknown status");
}

} // namespace

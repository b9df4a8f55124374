// Events: the point of a stream's order that was recorded last, and the time when it was reached.
#include <chrono>
#include <new>
#include <utility>

#include "capture.h"
#include "stream.h"

using aios::fail;
using aios::cpu::Command;
using aios::cpu::Fork;
using aios::cpu::WaitBody;

/// Lives until the handle is destroyed and its recordings have run.
struct aios_event_s {
  std::atomic<int> references{1};
  std::atomic<uint64_t> recordings{0}; // numbers the recordings

  std::mutex mutex; // guards the point; only host threads take it
  uint64_t recording = 0;
  aios_stream stream = nullptr;
  uint64_t target = 0;
  Fork *fork = nullptr; // instead of the point, when it was recorded in a capture

  std::mutex time_mutex; // guards the time: the worker that records must not meet the host that has just enqueued
  uint64_t timed_recording = 0;
  std::chrono::steady_clock::time_point time{};

  void release() {
    if (references.fetch_sub(1, std::memory_order_acq_rel) != 1)
      return;
    if (stream != nullptr)
      stream->release();
    if (fork != nullptr)
      aios::cpu::drop_fork(fork);
    delete this;
  }

  /// The last recorded point, with a reference to its stream; a null stream when there is none.
  WaitBody point() {
    const std::lock_guard lock(mutex);
    if (stream != nullptr)
      stream->reference();
    return {stream, target};
  }

  bool captured() {
    const std::lock_guard lock(mutex);
    return fork != nullptr;
  }
};

namespace {

struct RecordBody {
  aios_event event;
  uint64_t recording;
};

void run_record(const void *body, aios::Team &) {
  const RecordBody &record = *static_cast<const RecordBody *>(body);
  {
    const std::lock_guard lock(record.event->time_mutex);
    if (record.recording > record.event->timed_recording) {
      record.event->timed_recording = record.recording;
      record.event->time = std::chrono::steady_clock::now();
    }
  }
  record.event->release();
}

/// Makes the event stand for what the stream has captured.
aios_status record_fork(aios_event event, aios_stream stream) {
  Fork *fork = aios::cpu::make_fork(stream);
  if (fork == nullptr)
    return fail(AIOS_STATUS_OUT_OF_MEMORY, "no memory for an event of a capture");
  {
    const std::lock_guard lock(event->mutex);
    std::swap(event->fork, fork);
  }
  if (fork != nullptr)
    aios::cpu::drop_fork(fork);
  return AIOS_STATUS_OK;
}

aios_status null_event() {
  return fail(AIOS_STATUS_INVALID_ARGUMENT, "event is null");
}

} // namespace

extern "C" {

aios_status aios_cpu_event_create(aios_event *event) {
  if (event == nullptr)
    return null_event();
  *event = new (std::nothrow) aios_event_s;
  return *event != nullptr ? AIOS_STATUS_OK : fail(AIOS_STATUS_OUT_OF_MEMORY, "no memory for an event");
}

aios_status aios_cpu_event_destroy(aios_event event) {
  if (event != nullptr)
    event->release();
  return AIOS_STATUS_OK;
}

aios_status aios_cpu_event_record(aios_event event, aios_stream stream) {
  if (event == nullptr)
    return null_event();
  if (stream == nullptr)
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "stream is null");
  if (aios::cpu::is_captured(stream))
    return record_fork(event, stream);
  event->references.fetch_add(1, std::memory_order_relaxed);
  const RecordBody record{event, event->recordings.fetch_add(1) + 1};
  // Not under the event's lock: the ring may be full of recordings that need it.
  const uint64_t target = stream->enqueue({run_record, Command::Kind::Control, sizeof record, {}}, &record);
  aios_stream previous = nullptr;
  Fork *fork = nullptr;
  {
    const std::lock_guard lock(event->mutex);
    if (record.recording < event->recording)
      return AIOS_STATUS_OK;
    event->recording = record.recording;
    previous = event->stream;
    stream->reference();
    event->stream = stream;
    event->target = target;
    std::swap(event->fork, fork);
  }
  if (fork != nullptr)
    aios::cpu::drop_fork(fork);
  if (previous != nullptr)
    previous->release();
  return AIOS_STATUS_OK;
}

aios_status aios_cpu_stream_wait_event(aios_stream stream, aios_event event) {
  if (event == nullptr)
    return null_event();
  if (stream == nullptr)
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "stream is null");
  {
    const std::lock_guard lock(event->mutex);
    if (event->fork != nullptr)
      return aios::cpu::join(stream, *event->fork);
  }
  const WaitBody point = event->point();
  if (point.stream == nullptr)
    return AIOS_STATUS_OK;
  if (aios::cpu::is_captured(stream)) {
    point.stream->release();
    return fail(AIOS_STATUS_INVALID_ARGUMENT,
                "a capture cannot wait for an event that was recorded outside: let the stream wait before it begins");
  }
  if (point.stream->reached(point.target))
    point.stream->release();
  else
    stream->enqueue({nullptr, Command::Kind::Wait, sizeof point, {}}, &point);
  return AIOS_STATUS_OK;
}

aios_status aios_cpu_event_synchronize(aios_event event) {
  if (event == nullptr)
    return null_event();
  if (event->captured())
    return aios::cpu::refuse_captured("event");
  const WaitBody point = event->point();
  if (point.stream == nullptr)
    return AIOS_STATUS_OK;
  point.stream->await(point.target);
  point.stream->release();
  return AIOS_STATUS_OK;
}

aios_status aios_cpu_event_query(aios_event event) {
  if (event == nullptr)
    return null_event();
  const std::lock_guard lock(event->mutex);
  if (event->fork != nullptr)
    return aios::cpu::refuse_captured("event");
  if (event->stream != nullptr)
    event->stream->want(event->target);
  return event->stream == nullptr || event->stream->reached(event->target) ? AIOS_STATUS_OK : AIOS_STATUS_NOT_READY;
}

aios_status aios_cpu_event_callback(aios_event event, aios_cpu_callback function, void *user) {
  if (event == nullptr)
    return null_event();
  if (function == nullptr)
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "function is null");
  if (event->captured())
    return aios::cpu::refuse_captured("event");
  const WaitBody point = event->point();
  if (point.stream == nullptr) {
    char message[aios::kErrorCapacity] = "";
    function(user, AIOS_STATUS_OK, message);
    return AIOS_STATUS_OK;
  }
  const bool called = point.stream->call_at(point.target, {function, user});
  point.stream->release();
  return called ? AIOS_STATUS_OK : fail(AIOS_STATUS_OUT_OF_MEMORY, "no memory for a callback");
}

aios_status aios_cpu_event_elapsed(float *milliseconds, aios_event start, aios_event end) {
  if (start == nullptr || end == nullptr)
    return null_event();
  if (milliseconds == nullptr)
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "milliseconds is null");
  std::chrono::steady_clock::time_point times[2];
  const aios_event events[2] = {start, end};
  for (int i = 0; i < 2; ++i) {
    const std::lock_guard lock(events[i]->mutex);
    if (events[i]->fork != nullptr)
      return aios::cpu::refuse_captured("event");
    if (events[i]->stream == nullptr)
      return fail(AIOS_STATUS_INVALID_ARGUMENT, "the %s event was never recorded", i == 0 ? "start" : "end");
    if (!events[i]->stream->reached(events[i]->target))
      return AIOS_STATUS_NOT_READY;
    const std::lock_guard time_lock(events[i]->time_mutex);
    times[i] = events[i]->time;
  }
  *milliseconds = std::chrono::duration<float, std::milli>(times[1] - times[0]).count();
  return AIOS_STATUS_OK;
}
}

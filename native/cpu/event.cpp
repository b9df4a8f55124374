// Events: the point of a stream's order that was recorded last, and the time when it was reached.
#include <chrono>
#include <new>

#include "aios_cpu.h"
#include "stream.h"

using aios::fail;
using aios::cpu::Slot;
using aios::cpu::WaitBody;

/// Lives until the handle is destroyed and its recordings have run.
struct aios_event_s {
  std::atomic<int> references{1};
  std::atomic<uint64_t> recordings{0}; // numbers the recordings

  std::mutex mutex; // guards the point; only host threads take it
  uint64_t recording = 0;
  aios_stream stream = nullptr;
  uint64_t target = 0;

  std::mutex time_mutex; // guards the time: the worker that records must not meet the host that has just enqueued
  uint64_t timed_recording = 0;
  std::chrono::steady_clock::time_point time{};

  void release() {
    if (references.fetch_sub(1, std::memory_order_acq_rel) != 1)
      return;
    if (stream != nullptr)
      stream->release();
    delete this;
  }

  /// The last recorded point, with a reference to its stream; a null stream when there is none.
  WaitBody point() {
    const std::lock_guard lock(mutex);
    if (stream != nullptr)
      stream->reference();
    return {stream, target};
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
  event->references.fetch_add(1, std::memory_order_relaxed);
  const RecordBody record{event, event->recordings.fetch_add(1) + 1};
  // Not under the event's lock: the ring may be full of recordings that need it.
  const uint64_t target = stream->enqueue(Slot::Kind::Record, run_record, &record, sizeof record);
  aios_stream previous = nullptr;
  {
    const std::lock_guard lock(event->mutex);
    if (record.recording < event->recording)
      return AIOS_STATUS_OK;
    event->recording = record.recording;
    previous = event->stream;
    stream->reference();
    event->stream = stream;
    event->target = target;
  }
  if (previous != nullptr)
    previous->release();
  return AIOS_STATUS_OK;
}

aios_status aios_cpu_stream_wait_event(aios_stream stream, aios_event event) {
  if (event == nullptr)
    return null_event();
  if (stream == nullptr)
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "stream is null");
  const WaitBody point = event->point();
  if (point.stream == nullptr)
    return AIOS_STATUS_OK;
  if (point.stream->reached(point.target))
    point.stream->release();
  else
    stream->enqueue(Slot::Kind::Wait, nullptr, &point, sizeof point);
  return AIOS_STATUS_OK;
}

aios_status aios_cpu_event_synchronize(aios_event event) {
  if (event == nullptr)
    return null_event();
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
  return event->stream == nullptr || event->stream->reached(event->target) ? AIOS_STATUS_OK : AIOS_STATUS_NOT_READY;
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

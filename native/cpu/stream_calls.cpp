// The calls of aios_cpu.h about streams.
#include "stream.h"

#include "capture.h"
#include "pool.h"

using aios::fail;
using aios::cpu::CallbackBody;
using aios::cpu::Command;
using aios::cpu::Pool;

namespace {

aios_status null_stream() {
  return fail(AIOS_STATUS_INVALID_ARGUMENT, "stream is null");
}

/// The sticky error, which becomes the calling thread's last one.
aios_status sticky_error(aios_stream stream) {
  char message[aios::kErrorCapacity];
  const aios_status status = stream->error(message);
  return status == AIOS_STATUS_OK ? status : fail(status, "%s", message);
}

} // namespace

extern "C" {

aios_status aios_cpu_stream_create(aios_stream *stream, int32_t priority) {
  if (stream == nullptr)
    return null_stream();
  if (priority < AIOS_CPU_PRIORITY_HIGH || priority > AIOS_CPU_PRIORITY_LOW)
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "priority is %d; it must be %d to %d", priority, AIOS_CPU_PRIORITY_HIGH,
                AIOS_CPU_PRIORITY_LOW);
  if (const aios_status status = Pool::instance().start(); status != AIOS_STATUS_OK)
    return status;
  *stream = aios_stream_s::create(priority);
  return *stream != nullptr ? AIOS_STATUS_OK : fail(AIOS_STATUS_OUT_OF_MEMORY, "no memory for a stream");
}

aios_status aios_cpu_stream_destroy(aios_stream stream) {
  if (stream == nullptr)
    return AIOS_STATUS_OK;
  aios::cpu::leave_capture(stream);
  stream->await(stream->enqueued());
  stream->release();
  return AIOS_STATUS_OK;
}

aios_status aios_cpu_stream_synchronize(aios_stream stream) {
  if (stream == nullptr)
    return null_stream();
  if (aios::cpu::is_captured(stream))
    return aios::cpu::refuse_captured("stream");
  stream->await(stream->enqueued());
  return sticky_error(stream);
}

aios_status aios_cpu_stream_query(aios_stream stream) {
  if (stream == nullptr)
    return null_stream();
  if (aios::cpu::is_captured(stream))
    return aios::cpu::refuse_captured("stream");
  stream->want(stream->enqueued());
  return stream->reached(stream->enqueued()) ? sticky_error(stream) : AIOS_STATUS_NOT_READY;
}

aios_status aios_cpu_stream_get_number(aios_stream stream, int64_t *number) {
  if (stream == nullptr || number == nullptr)
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "stream or number is null");
  *number = stream->number();
  return AIOS_STATUS_OK;
}

aios_status aios_cpu_stream_callback(aios_stream stream, aios_cpu_callback function, void *user) {
  if (function == nullptr)
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "function is null");
  const CallbackBody body{function, user};
  const aios::cpu::Naming naming("callback");
  const aios_status status = submit(stream, {nullptr, Command::Kind::Callback, sizeof body, aios::cpu::origin}, &body);
  if (status == AIOS_STATUS_OK)
    stream->want(stream->enqueued()); // whoever asks to be called waits for it
  return status;
}

aios_status aios_cpu_set_call_site(const char *site) {
  aios::cpu::origin.site = site;
  return AIOS_STATUS_OK;
}

aios_status aios_cpu_set_threads(int32_t threads) {
  if (threads < 1 || threads > aios::cpu::kMaxThreads)
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "threads is %d; it must be 1 to %d", threads, aios::cpu::kMaxThreads);
  aios::cpu::await_all_streams();
  return Pool::instance().set_threads(threads);
}
}

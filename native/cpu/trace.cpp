#include "trace.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <mutex>
#include <new>

#include <sys/syscall.h>
#include <unistd.h>

#include "../common/status.h"

namespace aios::cpu::trace {
namespace {

std::mutex gate;                  // of starting, stopping and reading
std::atomic<int64_t> writers{0};  // workers that may be writing a record
std::atomic<int64_t> commands{0}; // that have run, whether there was room for them or not
int64_t capacity = 0;
aios_cpu_trace_record *records = nullptr;

int64_t recorded() {
  return std::min(commands.load(), capacity);
}

} // namespace

std::atomic<bool> recording{false};

int64_t now() {
  return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
}

int64_t thread_number() {
  static thread_local const int64_t number = syscall(SYS_gettid);
  return number;
}

void record(const Command &command, const Place &place, int64_t stream, int64_t start_ns) {
  const int64_t end_ns = now();
  writers.fetch_add(1);
  // Either the trace goes on, or whoever ended it waits for this writer.
  if (recording.load()) {
    if (const int64_t index = commands.fetch_add(1, std::memory_order_relaxed); index < capacity) {
      aios_cpu_trace_record &entry = records[index];
      const char *name = command.origin.name == nullptr ? "" : command.origin.name;
      std::snprintf(entry.name, sizeof entry.name, "%s", name);
      entry.stream = stream;
      entry.branch = place.branch;
      entry.thread = place.thread;
      entry.enqueued_ns = place.enqueued_ns;
      entry.start_ns = start_ns;
      entry.end_ns = end_ns;
      entry.bytes = command.origin.bytes;
    }
  }
  writers.fetch_sub(1);
}

} // namespace aios::cpu::trace

using aios::fail;
namespace trace = aios::cpu::trace;

extern "C" {

aios_status aios_cpu_trace_start(int64_t capacity) {
  const std::lock_guard lock(trace::gate);
  if (capacity < 1 || capacity > (int64_t{1} << 32))
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "capacity is %lld; it must be 1 to 2^32 records",
                static_cast<long long>(capacity));
  if (trace::active())
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "a trace is being recorded; stop it first");
  delete[] trace::records;
  // Touched now, so that recording meets no fresh page.
  trace::records = new (std::nothrow) aios_cpu_trace_record[static_cast<size_t>(capacity)]();
  trace::capacity = trace::records == nullptr ? 0 : capacity;
  trace::commands.store(0);
  if (trace::records == nullptr)
    return fail(AIOS_STATUS_OUT_OF_MEMORY, "no memory for a trace of %lld records", static_cast<long long>(capacity));
  trace::recording.store(true);
  return AIOS_STATUS_OK;
}

aios_status aios_cpu_trace_stop(int64_t *records, int64_t *dropped) {
  const std::lock_guard lock(trace::gate);
  if (records == nullptr || dropped == nullptr)
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "records or dropped is null");
  trace::recording.store(false);
  while (trace::writers.load() != 0)
    usleep(10);
  *records = trace::recorded();
  *dropped = trace::commands.load() - *records;
  return AIOS_STATUS_OK;
}

aios_status aios_cpu_trace_read(int64_t index, aios_cpu_trace_record *record) {
  const std::lock_guard lock(trace::gate);
  if (record == nullptr || trace::active() || index < 0 || index >= trace::recorded())
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "there is no record %lld of a trace that was stopped",
                static_cast<long long>(index));
  *record = trace::records[index];
  return AIOS_STATUS_OK;
}
}

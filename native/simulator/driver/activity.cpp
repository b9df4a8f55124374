// Activities are kept in memory of their own until somebody flushes or many have come together; only then are they
// written to buffers that the listener gives. So a listener sees, as with the real library, buffers that come late, on
// threads that it has never seen, with calls and what they led to far apart.
#include "activity.h"

#include <atomic>
#include <cstring>
#include <sys/syscall.h>
#include <unistd.h>
#include <utility>

namespace aios::sim::driver::activity {
namespace {

constexpr std::size_t kMuch = 64;                              // records that are delivered without being asked for
constexpr std::int64_t kBeginning = 1'700'000'000'000'000'000; // of the listener's clock, in nanoseconds
constexpr std::int64_t kDrift = 20'000;                        // it gains a nanosecond in as many
/// Nodes of graphs run on streams that no caller has a handle of.
constexpr std::uint32_t kGraphStream = 0x8000'0000;
constexpr int kHost = -1;

using Record = std::variant<CUpti_ActivityAPI, CUpti_ActivityExternalCorrelation, CUpti_ActivityKernel9,
                            CUpti_ActivityMemcpy5, CUpti_ActivityMemcpyPtoP4, CUpti_ActivityMemset4>;

struct Collector {
  std::mutex mutex;
  std::set<CUpti_ActivityKind> kinds;
  std::vector<Record> noted;
  std::set<std::string> names; ///< Of kernels: records point to them for the life of the process.
  CUpti_BuffersCallbackRequestFunc request = nullptr;
  CUpti_BuffersCallbackCompleteFunc complete = nullptr;
  CUpti_ActivityThreadIdType thread_id_type = CUPTI_ACTIVITY_THREAD_ID_TYPE_DEFAULT;
  std::size_t dropped = 0;
  std::mutex delivering; ///< Held, without the other, while buffers are filled.
};

std::atomic<bool> listening{false}; // all that is paid as long as nobody listens
std::atomic<std::uint32_t> calls{0};
thread_local std::map<CUpti_ExternalCorrelationKind, std::vector<std::uint64_t>> external;

Collector &collector() {
  static Collector &only = *new Collector; // the threads of the devices outlive everything
  return only;
}

std::uint32_t thread_id(CUpti_ActivityThreadIdType type) {
  return type == CUPTI_ACTIVITY_THREAD_ID_TYPE_SYSTEM ? static_cast<std::uint32_t>(syscall(SYS_gettid))
                                                      : static_cast<std::uint32_t>(pthread_self());
}

/// The device whose memory an address is.
int owner(Driver &driver, std::uintptr_t address) {
  const Range *range = driver.addresses.find(address);
  if (range == nullptr || range->on_host()) {
    return kHost;
  }
  auto after = range->mappings.upper_bound(address);
  return after == range->mappings.begin() ? range->device : std::prev(after)->second.physical->device;
}

std::uint8_t memory_kind(Driver &driver, std::uintptr_t address) {
  const Range *range = driver.addresses.find(address);
  return range == nullptr   ? CUPTI_ACTIVITY_MEMORY_KIND_PAGEABLE
         : range->on_host() ? CUPTI_ACTIVITY_MEMORY_KIND_PINNED
                            : CUPTI_ACTIVITY_MEMORY_KIND_DEVICE;
}

/// What all records of the device begin with, whatever else they hold.
template <class T>
T describe(CUpti_ActivityKind kind, const Stream &stream, const Origin &origin, std::int64_t start, std::int64_t end) {
  T record = {};
  record.kind = kind;
  record.start = timestamp(start);
  record.end = timestamp(end);
  record.deviceId = static_cast<std::uint32_t>(stream.context->device->ordinal);
  record.contextId = context_id(*stream.context->device);
  record.streamId = origin.graph != 0 ? kGraphStream : static_cast<std::uint32_t>(stream.id);
  record.correlationId = origin.call;
  record.graphId = origin.graph;
  record.graphNodeId = origin.node;
  return record;
}

void add(Collector &all, CUpti_ActivityKind kind, Record record) {
  if (all.kinds.contains(kind)) {
    all.noted.push_back(std::move(record));
  }
}

CUpti_ActivityKernel9 describe(Collector &all, const KernelWork &work, CUpti_ActivityKernel9 record) {
  record.gridX = static_cast<std::int32_t>(work.grid.x);
  record.gridY = static_cast<std::int32_t>(work.grid.y);
  record.gridZ = static_cast<std::int32_t>(work.grid.z);
  record.blockX = static_cast<std::int32_t>(work.block.x);
  record.blockY = static_cast<std::int32_t>(work.block.y);
  record.blockZ = static_cast<std::int32_t>(work.block.z);
  record.dynamicSharedMemory = static_cast<std::int32_t>(work.shared_bytes);
  record.completed = record.end;
  record.name = all.names.insert(work.function->name).first->c_str();
  return record;
}

/// Fills buffers of the listener one after the other.
class Writer {
public:
  explicit Writer(Collector &all) : request_(all.request), complete_(all.complete) {}
  Writer(const Writer &) = delete;
  Writer &operator=(const Writer &) = delete;
  ~Writer() { finish(); }

  /// False when there is no room for a record, not even in a new buffer.
  bool write(const void *record, std::size_t bytes) {
    if (!fits(bytes)) {
      finish();
      begin();
      if (!fits(bytes)) {
        return false;
      }
    }
    std::memcpy(buffer_ + used_, record, bytes);
    used_ += bytes;
    ++records_;
    return true;
  }

private:
  bool fits(std::size_t bytes) const {
    return buffer_ != nullptr && size_ - used_ >= bytes && (most_ == 0 || records_ < most_);
  }

  void begin() {
    if (request_ != nullptr) {
      request_(&buffer_, &size_, &most_);
    }
    if (reinterpret_cast<std::uintptr_t>(buffer_) % alignof(CUpti_Activity) != 0) {
      finish(); // records must be aligned: nothing can be written
    }
  }

  void finish() {
    if (buffer_ != nullptr) {
      complete_(nullptr, 0, buffer_, size_, used_);
    }
    buffer_ = nullptr;
    size_ = used_ = most_ = records_ = 0;
  }

  CUpti_BuffersCallbackRequestFunc request_;
  CUpti_BuffersCallbackCompleteFunc complete_;
  std::uint8_t *buffer_ = nullptr;
  std::size_t size_ = 0, used_ = 0, most_ = 0, records_ = 0;
};

} // namespace

std::uint32_t note_call() {
  const std::uint32_t number = ++calls;
  if (!listening.load()) {
    return number;
  }
  Collector &all = collector();
  const std::lock_guard lock(all.mutex);
  if (!all.kinds.contains(CUPTI_ACTIVITY_KIND_DRIVER)) {
    return number;
  }
  for (const auto &[kind, ids] : external) {
    if (!ids.empty()) {
      CUpti_ActivityExternalCorrelation record = {};
      record.kind = CUPTI_ACTIVITY_KIND_EXTERNAL_CORRELATION;
      record.externalKind = kind;
      record.externalId = ids.back();
      record.correlationId = number;
      add(all, record.kind, record);
    }
  }
  CUpti_ActivityAPI call = {};
  call.kind = CUPTI_ACTIVITY_KIND_DRIVER;
  call.start = call.end = timestamp(now_ns());
  call.processId = static_cast<std::uint32_t>(getpid());
  call.threadId = thread_id(all.thread_id_type);
  call.correlationId = number;
  add(all, call.kind, call);
  return number;
}

void note(Driver &driver, const Stream &stream, const Work &work, const Origin &origin, std::int64_t start,
          std::int64_t end) {
  if (!listening.load()) {
    return;
  }
  Collector &all = collector();
  if (const KernelWork *kernel = std::get_if<KernelWork>(&work)) {
    const std::lock_guard lock(all.mutex);
    const CUpti_ActivityKind kind = CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL;
    add(all, kind, describe(all, *kernel, describe<CUpti_ActivityKernel9>(kind, stream, origin, start, end)));
  } else if (const FillWork *fill = std::get_if<FillWork>(&work)) {
    const std::lock_guard lock(all.mutex);
    auto record = describe<CUpti_ActivityMemset4>(CUPTI_ACTIVITY_KIND_MEMSET, stream, origin, start, end);
    record.value = fill->value;
    record.bytes = fill->width * fill->element_bytes * fill->height;
    record.memoryKind = CUPTI_ACTIVITY_MEMORY_KIND_DEVICE;
    add(all, record.kind, record);
  } else if (const CopyWork *copy = std::get_if<CopyWork>(&work)) {
    Lock known(driver.mutex);
    const int from = copy->staged != nullptr ? kHost : owner(driver, copy->from), to = owner(driver, copy->to);
    const std::uint8_t from_kind = from == kHost && copy->staged != nullptr
                                       ? static_cast<std::uint8_t>(CUPTI_ACTIVITY_MEMORY_KIND_PAGEABLE)
                                       : memory_kind(driver, copy->from);
    const std::uint8_t to_kind = memory_kind(driver, copy->to);
    known.unlock();
    const std::lock_guard lock(all.mutex);
    const auto finish = [&](auto record, CUpti_ActivityMemcpyKind copied) {
      record.copyKind = static_cast<std::uint8_t>(copied);
      record.srcKind = from_kind;
      record.dstKind = to_kind;
      record.bytes = copy->bytes;
      add(all, record.kind, record);
    };
    if (from != kHost && to != kHost && from != to) {
      auto record = describe<CUpti_ActivityMemcpyPtoP4>(CUPTI_ACTIVITY_KIND_MEMCPY2, stream, origin, start, end);
      record.srcDeviceId = static_cast<std::uint32_t>(from);
      record.dstDeviceId = static_cast<std::uint32_t>(to);
      record.srcContextId = context_id(*driver.devices[static_cast<size_t>(from)]);
      record.dstContextId = context_id(*driver.devices[static_cast<size_t>(to)]);
      finish(record, CUPTI_ACTIVITY_MEMCPY_KIND_PTOP);
    } else {
      finish(describe<CUpti_ActivityMemcpy5>(CUPTI_ACTIVITY_KIND_MEMCPY, stream, origin, start, end),
             from == kHost && to == kHost ? CUPTI_ACTIVITY_MEMCPY_KIND_HTOH
             : from == kHost              ? CUPTI_ACTIVITY_MEMCPY_KIND_HTOD
             : to == kHost                ? CUPTI_ACTIVITY_MEMCPY_KIND_DTOH
                                          : CUPTI_ACTIVITY_MEMCPY_KIND_DTOD);
    }
  }
}

void deliver(bool everything) {
  if (!everything && !listening.load()) {
    return;
  }
  Collector &all = collector();
  const std::lock_guard order(all.delivering);
  std::unique_lock lock(all.mutex);
  if (!everything && all.noted.size() < kMuch) {
    return;
  }
  std::vector<Record> records;
  records.swap(all.noted);
  std::size_t dropped = 0;
  {
    Writer writer(all);
    lock.unlock();
    for (const Record &record : records) {
      std::visit([&](const auto &what) { dropped += writer.write(&what, sizeof what) ? 0 : 1; }, record);
    }
  }
  lock.lock();
  all.dropped += dropped;
}

void listen(CUpti_BuffersCallbackRequestFunc request, CUpti_BuffersCallbackCompleteFunc complete) {
  Collector &all = collector();
  const std::lock_guard lock(all.mutex);
  all.request = request;
  all.complete = complete;
}

void enable(CUpti_ActivityKind kind, bool enabled) {
  Collector &all = collector();
  const std::lock_guard lock(all.mutex);
  if (enabled) {
    all.kinds.insert(kind);
  } else {
    all.kinds.erase(kind);
  }
  listening.store(!all.kinds.empty());
}

void push(CUpti_ExternalCorrelationKind kind, std::uint64_t id) {
  external[kind].push_back(id);
}

bool pop(CUpti_ExternalCorrelationKind kind, std::uint64_t &id) {
  std::vector<std::uint64_t> &ids = external[kind];
  if (ids.empty()) {
    return false;
  }
  id = ids.back();
  ids.pop_back();
  return true;
}

void set_thread_id_type(CUpti_ActivityThreadIdType type) {
  Collector &all = collector();
  const std::lock_guard lock(all.mutex);
  all.thread_id_type = type;
}

std::size_t take_dropped() {
  Collector &all = collector();
  const std::lock_guard lock(all.mutex);
  return std::exchange(all.dropped, 0);
}

std::uint64_t timestamp(std::int64_t ns) {
  return static_cast<std::uint64_t>(kBeginning + ns + ns / kDrift);
}

std::uint32_t context_id(const Device &device) {
  return static_cast<std::uint32_t>(device.ordinal) + 1;
}

std::size_t size_of(CUpti_ActivityKind kind) {
  switch (kind) {
  case CUPTI_ACTIVITY_KIND_DRIVER:
    return sizeof(CUpti_ActivityAPI);
  case CUPTI_ACTIVITY_KIND_EXTERNAL_CORRELATION:
    return sizeof(CUpti_ActivityExternalCorrelation);
  case CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL:
    return sizeof(CUpti_ActivityKernel9);
  case CUPTI_ACTIVITY_KIND_MEMCPY:
    return sizeof(CUpti_ActivityMemcpy5);
  case CUPTI_ACTIVITY_KIND_MEMCPY2:
    return sizeof(CUpti_ActivityMemcpyPtoP4);
  case CUPTI_ACTIVITY_KIND_MEMSET:
    return sizeof(CUpti_ActivityMemset4);
  default:
    return 0;
  }
}

} // namespace aios::sim::driver::activity

// The exported functions of the stand-in for CUPTI: the activity API.
#include "activity.h"

#include "api.h"

using namespace aios::sim::driver;

namespace {

struct Text {
  CUptiResult result;
  const char *text;
};

constexpr Text kTexts[] = {
    {CUPTI_SUCCESS, "CUPTI_SUCCESS"},
    {CUPTI_ERROR_INVALID_PARAMETER, "CUPTI_ERROR_INVALID_PARAMETER"},
    {CUPTI_ERROR_INVALID_CONTEXT, "CUPTI_ERROR_INVALID_CONTEXT"},
    {CUPTI_ERROR_MAX_LIMIT_REACHED, "CUPTI_ERROR_MAX_LIMIT_REACHED"},
    {CUPTI_ERROR_QUEUE_EMPTY, "CUPTI_ERROR_QUEUE_EMPTY"},
    {CUPTI_ERROR_INVALID_STREAM, "CUPTI_ERROR_INVALID_STREAM"},
    {CUPTI_ERROR_INVALID_KIND, "CUPTI_ERROR_INVALID_KIND"},
    {CUPTI_ERROR_MULTIPLE_SUBSCRIBERS_NOT_SUPPORTED, "CUPTI_ERROR_MULTIPLE_SUBSCRIBERS_NOT_SUPPORTED"},
};

/// Whether there is such a kind, although nothing here may be of it.
bool is_kind(CUpti_ActivityKind kind) {
  return kind == CUPTI_ACTIVITY_KIND_RUNTIME || activity::size_of(kind) != 0;
}

CUptiResult enable(CUpti_ActivityKind kind, bool enabled) {
  if (!is_kind(kind)) {
    return CUPTI_ERROR_INVALID_KIND;
  }
  activity::enable(kind, enabled);
  return CUPTI_SUCCESS;
}

/// The device whose primary context it is; null when there is none.
const Device *device_of(Driver &driver, CUcontext handle) {
  for (const auto &device : driver.devices) {
    if (reinterpret_cast<CUcontext>(&device->context) == handle) {
      return device.get();
    }
  }
  return nullptr;
}

} // namespace

CUptiResult cuptiGetVersion(uint32_t *version) {
  *version = CUPTI_API_VERSION;
  return CUPTI_SUCCESS;
}

CUptiResult cuptiGetResultString(CUptiResult result, const char **text) {
  for (const Text &known : kTexts) {
    if (known.result == result) {
      *text = known.text;
      return CUPTI_SUCCESS;
    }
  }
  return CUPTI_ERROR_INVALID_PARAMETER;
}

CUptiResult cuptiGetTimestamp(uint64_t *now) {
  *now = activity::timestamp(now_ns());
  return CUPTI_SUCCESS;
}

CUptiResult cuptiSetThreadIdType(CUpti_ActivityThreadIdType type) {
  if (type != CUPTI_ACTIVITY_THREAD_ID_TYPE_DEFAULT && type != CUPTI_ACTIVITY_THREAD_ID_TYPE_SYSTEM) {
    return CUPTI_ERROR_INVALID_PARAMETER;
  }
  activity::set_thread_id_type(type);
  return CUPTI_SUCCESS;
}

CUptiResult cuptiGetContextId(CUcontext context, uint32_t *id) {
  Driver &driver = Driver::get();
  Lock lock(driver.mutex);
  const Device *device = device_of(driver, context);
  if (device == nullptr) {
    return CUPTI_ERROR_INVALID_CONTEXT;
  }
  *id = activity::context_id(*device);
  return CUPTI_SUCCESS;
}

CUptiResult cuptiGetStreamIdEx(CUcontext context, CUstream handle, uint8_t, uint32_t *id) {
  Driver &driver = Driver::get();
  Lock lock(driver.mutex);
  if (device_of(driver, context) == nullptr) {
    return CUPTI_ERROR_INVALID_CONTEXT;
  }
  const Stream *stream = find_stream(driver, handle);
  if (stream == nullptr) {
    return CUPTI_ERROR_INVALID_STREAM;
  }
  *id = static_cast<uint32_t>(stream->id);
  return CUPTI_SUCCESS;
}

CUptiResult cuptiActivityRegisterCallbacks(CUpti_BuffersCallbackRequestFunc request,
                                           CUpti_BuffersCallbackCompleteFunc complete) {
  if (request == nullptr || complete == nullptr) {
    return CUPTI_ERROR_INVALID_PARAMETER;
  }
  activity::listen(request, complete);
  return CUPTI_SUCCESS;
}

CUptiResult cuptiActivityEnable(CUpti_ActivityKind kind) {
  Driver &driver = Driver::get();
  Lock lock(driver.mutex);
  const std::uint64_t fault = driver.settings.faults.cupti;
  lock.unlock();
  return fault != 0 ? static_cast<CUptiResult>(fault) : enable(kind, true);
}

CUptiResult cuptiActivityDisable(CUpti_ActivityKind kind) {
  return enable(kind, false);
}

CUptiResult cuptiActivityFlushAll(uint32_t) {
  activity::deliver(true);
  return CUPTI_SUCCESS;
}

CUptiResult cuptiActivityGetNextRecord(uint8_t *buffer, size_t bytes, CUpti_Activity **record) {
  if (buffer == nullptr || record == nullptr) {
    return CUPTI_ERROR_INVALID_PARAMETER;
  }
  uint8_t *next = buffer;
  if (*record != nullptr) {
    next = reinterpret_cast<uint8_t *>(*record) + activity::size_of((*record)->kind);
  }
  if (next >= buffer + bytes) {
    return CUPTI_ERROR_MAX_LIMIT_REACHED;
  }
  CUpti_Activity *found = reinterpret_cast<CUpti_Activity *>(next);
  if (activity::size_of(found->kind) == 0) {
    return CUPTI_ERROR_INVALID_KIND;
  }
  *record = found;
  return CUPTI_SUCCESS;
}

CUptiResult cuptiActivityGetNumDroppedRecords(CUcontext, uint32_t, size_t *dropped) {
  *dropped = activity::take_dropped();
  return CUPTI_SUCCESS;
}

CUptiResult cuptiActivityPushExternalCorrelationId(CUpti_ExternalCorrelationKind kind, uint64_t id) {
  activity::push(kind, id);
  return CUPTI_SUCCESS;
}

CUptiResult cuptiActivityPopExternalCorrelationId(CUpti_ExternalCorrelationKind kind, uint64_t *last) {
  uint64_t id = 0;
  if (!activity::pop(kind, id)) {
    return CUPTI_ERROR_QUEUE_EMPTY;
  }
  if (last != nullptr) {
    *last = id;
  }
  return CUPTI_SUCCESS;
}

// Streams and events.
#include "api.h"

namespace aios::sim::driver {

Stream *find_stream(Driver &driver, CUstream handle) {
  if (handle != nullptr && handle != CU_STREAM_LEGACY && handle != CU_STREAM_PER_THREAD) {
    return find(driver.streams, handle);
  }
  Context *context = current_context();
  if (context == nullptr) {
    return nullptr;
  }
  Stream *&stream = handle == CU_STREAM_PER_THREAD ? context->per_thread[std::this_thread::get_id()] : context->legacy;
  if (stream == nullptr) {
    stream = create_stream(driver, *context, 0, 0);
  }
  return stream;
}

namespace {

/// How a stream compares the value that it waits for; otherwise it waits for one that is not less.
constexpr unsigned kWaitEqual = 1, kWaitAnd = 2, kWaitNor = 3;

/// A captured stream cannot be asked or waited for; who does ends the capture.
CUresult refuse(Stream &stream) {
  stream.capture->invalidated = true;
  return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
}

/// Makes a stream's next node of a capture come after what an event stands for, drawing the stream in.
CUresult wait_captured(Stream &stream, Event &event) {
  if (event.capture->invalidated) {
    return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  }
  if (stream.capture != nullptr && stream.capture != event.capture) {
    return CUDA_ERROR_STREAM_CAPTURE_MERGE;
  }
  if (stream.capture == nullptr) {
    stream.capture = event.capture;
    stream.capture->streams.insert(&stream);
    stream.dependencies.clear();
  }
  for (Node *node : event.dependencies) {
    if (std::find(stream.dependencies.begin(), stream.dependencies.end(), node) == stream.dependencies.end()) {
      stream.dependencies.push_back(node);
    }
  }
  return CUDA_SUCCESS;
}

/// Runs `body(driver, lock, event)`, unless the event's context has failed.
template <class Body> CUresult with_event(CUevent handle, Body body) {
  return with_driver([&](Driver &driver, Lock &lock) -> CUresult {
    Event *event = find(driver.events, handle);
    if (event == nullptr) {
      return CUDA_ERROR_INVALID_HANDLE;
    }
    return event->context->error != CUDA_SUCCESS ? event->context->error : body(driver, lock, *event);
  });
}

} // namespace
} // namespace aios::sim::driver

using namespace aios::sim::driver;

CUresult cuStreamCreateWithPriority(CUstream *stream, unsigned int flags, int priority) {
  return with_context([&](Driver &driver, Lock &, Context &context) -> CUresult {
    if ((flags & ~static_cast<unsigned>(CU_STREAM_NON_BLOCKING)) != 0) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    *stream = reinterpret_cast<CUstream>(create_stream(driver, context, flags, std::clamp(priority, -5, 0)));
    return CUDA_SUCCESS;
  });
}

CUresult cuStreamCreate(CUstream *stream, unsigned int flags) {
  return cuStreamCreateWithPriority(stream, flags, 0);
}

CUresult cuStreamDestroy_v2(CUstream handle) {
  return with_driver([&](Driver &driver, Lock &) -> CUresult {
    Stream *stream = find(driver.streams, handle);
    if (stream == nullptr) {
      return CUDA_ERROR_INVALID_HANDLE;
    }
    if (std::shared_ptr<Capture> capture = stream->capture) {
      abandon(driver, *capture);
    }
    driver.streams.erase(stream);
    stream->destroyed = true; // its work still runs
    driver.work.notify_all();
    return CUDA_SUCCESS;
  });
}

CUresult cuStreamSynchronize(CUstream handle) {
  return with_stream(handle, [&](Driver &driver, Lock &lock, Stream &stream) -> CUresult {
    return stream.capture != nullptr ? refuse(stream) : await(driver, lock, *stream.context, reached(stream));
  });
}

CUresult cuStreamQuery(CUstream handle) {
  return with_stream(handle, [&](Driver &, Lock &, Stream &stream) -> CUresult {
    if (stream.capture != nullptr) {
      return refuse(stream);
    }
    MarkerPtr last = reached(stream);
    return last == nullptr || last->done ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
  });
}

CUresult cuStreamGetPriority(CUstream handle, int *priority) {
  return with_stream(handle, [&](Driver &, Lock &, Stream &stream) {
    *priority = stream.priority;
    return CUDA_SUCCESS;
  });
}

CUresult cuStreamGetFlags(CUstream handle, unsigned int *flags) {
  return with_stream(handle, [&](Driver &, Lock &, Stream &stream) {
    *flags = stream.flags;
    return CUDA_SUCCESS;
  });
}

CUresult cuStreamGetCtx(CUstream handle, CUcontext *context) {
  return with_stream(handle, [&](Driver &, Lock &, Stream &stream) {
    *context = reinterpret_cast<CUcontext>(stream.context);
    return CUDA_SUCCESS;
  });
}

CUresult cuStreamWaitEvent(CUstream handle, CUevent event_handle, unsigned int) {
  return with_stream(handle, [&](Driver &driver, Lock &, Stream &stream) -> CUresult {
    Event *event = find(driver.events, event_handle);
    if (event == nullptr) {
      return CUDA_ERROR_INVALID_HANDLE;
    }
    if (event->capture != nullptr) {
      return wait_captured(stream, *event);
    }
    if (stream.capture != nullptr) {
      stream.capture->invalidated = true;
      return CUDA_ERROR_STREAM_CAPTURE_ISOLATION;
    }
    if (event->marker != nullptr && !event->marker->done) {
      wait_for(driver, stream, {event->marker});
    }
    return CUDA_SUCCESS;
  });
}

CUresult cuStreamWriteValue32_v2(CUstream handle, CUdeviceptr address, cuuint32_t value, unsigned int flags) {
  return with_stream(handle, [&](Driver &driver, Lock &, Stream &stream) -> CUresult {
    if (flags != 0 || address % sizeof value != 0 || driver.addresses.find(address) == nullptr) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    return enqueue(driver, stream, FillWork{address, value, sizeof value, 1, 1, 0});
  });
}

CUresult cuStreamWaitValue32_v2(CUstream handle, CUdeviceptr address, cuuint32_t value, unsigned int flags) {
  return with_stream(handle, [&](Driver &driver, Lock &, Stream &stream) -> CUresult {
    if (flags > kWaitNor || address % sizeof value != 0 || driver.addresses.find(address) == nullptr) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    if (stream.capture != nullptr) {
      return refuse(stream);
    }
    wait_for(driver, stream, {}, [=] {
      cuuint32_t found = __atomic_load_n(reinterpret_cast<const cuuint32_t *>(address), __ATOMIC_ACQUIRE);
      switch (flags) {
      case kWaitEqual:
        return found == value;
      case kWaitAnd:
        return (found & value) != 0;
      case kWaitNor:
        return (found | value) != ~cuuint32_t{0};
      default:
        return static_cast<int32_t>(found - value) >= 0;
      }
    });
    return CUDA_SUCCESS;
  });
}

CUresult cuStreamAddCallback(CUstream handle, CUstreamCallback callback, void *user, unsigned int flags) {
  return with_stream(handle, [&](Driver &driver, Lock &, Stream &stream) -> CUresult {
    if (callback == nullptr || flags != 0) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    if (stream.capture != nullptr) {
      return refuse(stream);
    }
    return enqueue(driver, stream, HostWork{nullptr, callback, user, handle});
  });
}

CUresult cuLaunchHostFunc(CUstream handle, CUhostFn function, void *user) {
  return with_stream(handle, [&](Driver &driver, Lock &, Stream &stream) -> CUresult {
    if (function == nullptr) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    return enqueue(driver, stream, HostWork{function, nullptr, user, handle});
  });
}

CUresult cuEventCreate(CUevent *created, unsigned int flags) {
  return with_context([&](Driver &driver, Lock &, Context &context) {
    Event *event = new Event;
    event->context = &context;
    event->flags = flags;
    driver.events.insert(event);
    *created = reinterpret_cast<CUevent>(event);
    return CUDA_SUCCESS;
  });
}

CUresult cuEventDestroy_v2(CUevent handle) {
  return with_driver([&](Driver &driver, Lock &) -> CUresult {
    Event *event = find(driver.events, handle);
    if (event == nullptr) {
      return CUDA_ERROR_INVALID_HANDLE;
    }
    driver.events.erase(event);
    delete event; // who waits for it has its marker
    return CUDA_SUCCESS;
  });
}

CUresult cuEventRecord(CUevent event_handle, CUstream handle) {
  return with_stream(handle, [&](Driver &driver, Lock &, Stream &stream) -> CUresult {
    Event *event = find(driver.events, event_handle);
    if (event == nullptr || event->context != stream.context) {
      return CUDA_ERROR_INVALID_HANDLE;
    }
    if (stream.capture != nullptr) {
      event->capture = stream.capture;
      event->dependencies = stream.dependencies;
      return CUDA_SUCCESS;
    }
    event->capture.reset();
    wait_for(driver, stream, {}); // a command of its own, so that the time is that of the recording
    event->marker = reached(stream);
    return CUDA_SUCCESS;
  });
}

CUresult cuEventQuery(CUevent handle) {
  return with_event(handle, [&](Driver &, Lock &, Event &event) -> CUresult {
    if (event.capture != nullptr) {
      return CUDA_ERROR_CAPTURED_EVENT;
    }
    return event.marker == nullptr || event.marker->done ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
  });
}

CUresult cuEventSynchronize(CUevent handle) {
  return with_event(handle, [&](Driver &driver, Lock &lock, Event &event) -> CUresult {
    if (event.capture != nullptr) {
      return CUDA_ERROR_CAPTURED_EVENT;
    }
    MarkerPtr marker = event.marker; // another thread may record or destroy the event meanwhile
    return await(driver, lock, *event.context, marker);
  });
}

CUresult cuEventElapsedTime(float *milliseconds, CUevent start_handle, CUevent end_handle) {
  return with_event(start_handle, [&](Driver &driver, Lock &, Event &start) -> CUresult {
    Event *end = find(driver.events, end_handle);
    if (end == nullptr || start.marker == nullptr || end->marker == nullptr ||
        ((start.flags | end->flags) & CU_EVENT_DISABLE_TIMING) != 0) {
      return CUDA_ERROR_INVALID_HANDLE;
    }
    if (!start.marker->done || !end->marker->done) {
      return CUDA_ERROR_NOT_READY;
    }
    *milliseconds = static_cast<float>(end->marker->ns - start.marker->ns) * 1e-6f;
    return CUDA_SUCCESS;
  });
}

// Capture of streams: what they are given becomes nodes of a graph.
#include "api.h"

namespace aios::sim::driver {
namespace {

constexpr unsigned kSetDependencies = 1; // in place of adding

/// What the calling thread's captures forbid it, as cuThreadExchangeStreamCaptureMode sets it.
CUstreamCaptureMode &thread_mode() {
  static thread_local CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_GLOBAL;
  return mode;
}

/// Whether everything in the graph comes before what the capture's first stream would do next.
bool is_joined(const Capture &capture) {
  std::set<const Node *> covered;
  std::vector<Node *> open = capture.origin->dependencies;
  while (!open.empty()) {
    Node *node = open.back();
    open.pop_back();
    if (covered.insert(node).second) {
      open.insert(open.end(), node->after.begin(), node->after.end());
    }
  }
  return covered.size() == capture.graph->nodes.size();
}

/// The streams of the capture are ordinary ones again.
void end(Driver &driver, Capture &capture) {
  for (Stream *stream : capture.streams) {
    stream->capture.reset();
    stream->dependencies.clear();
  }
  capture.streams.clear();
  for (Event *event : driver.events) {
    if (event->capture.get() == &capture) {
      event->dependencies.clear();
    }
  }
}

} // namespace

void forget(Driver &driver, Graph &graph) {
  for (const auto &node : graph.nodes) {
    driver.nodes.erase(node.get());
  }
  driver.graphs.erase(&graph);
}

void abandon(Driver &driver, Capture &capture) {
  end(driver, capture);
  forget(driver, *capture.graph);
  capture.invalidated = true;
}

void show(Driver &driver, Graph &graph, Node *node) {
  std::size_t place = driver.random.below(static_cast<std::uint32_t>(graph.shown.size() + 1));
  graph.shown.insert(graph.shown.begin() + static_cast<std::ptrdiff_t>(place), node);
  driver.nodes.insert(node);
}

CUresult record_node(Driver &driver, Stream &stream, Work work) {
  Capture &capture = *stream.capture;
  if (capture.invalidated) {
    return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  }
  auto node = std::make_unique<Node>();
  node->graph = capture.graph.get();
  node->work = std::move(work);
  node->after = std::move(stream.dependencies);
  stream.dependencies = {node.get()};
  show(driver, *capture.graph, node.get());
  capture.graph->nodes.push_back(std::move(node));
  return CUDA_SUCCESS;
}

CUresult leave_captures_alone(Driver &driver) {
  if (thread_mode() == CU_STREAM_CAPTURE_MODE_RELAXED) {
    return CUDA_SUCCESS;
  }
  bool forbidden = false;
  for (Stream *stream : driver.streams) {
    if (Capture *capture = stream->capture.get()) {
      bool own = capture->thread == std::this_thread::get_id();
      bool forbids = capture->mode == CU_STREAM_CAPTURE_MODE_GLOBAL
                         ? own || thread_mode() == CU_STREAM_CAPTURE_MODE_GLOBAL
                         : own && capture->mode == CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
      capture->invalidated |= forbids;
      forbidden |= forbids;
    }
  }
  return forbidden ? CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED : CUDA_SUCCESS;
}

} // namespace aios::sim::driver

using namespace aios::sim::driver;

CUresult cuThreadExchangeStreamCaptureMode(CUstreamCaptureMode *mode) {
  std::swap(*mode, thread_mode());
  return CUDA_SUCCESS;
}

CUresult cuStreamBeginCapture_v2(CUstream handle, CUstreamCaptureMode mode) {
  return with_stream(handle, [&](Driver &driver, Lock &, Stream &stream) -> CUresult {
    if (stream.capture != nullptr || &stream == stream.context->legacy) {
      return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    }
    auto capture = std::make_shared<Capture>();
    capture->id = ++driver.numbers;
    capture->mode = mode;
    capture->thread = std::this_thread::get_id();
    capture->origin = &stream;
    capture->streams.insert(&stream);
    stream.capture = capture;
    stream.dependencies.clear();
    driver.graphs.insert(capture->graph.get()); // it can be looked at while it grows
    return CUDA_SUCCESS;
  });
}

CUresult cuStreamEndCapture(CUstream handle, CUgraph *graph) {
  return with_stream(handle, [&](Driver &driver, Lock &, Stream &stream) -> CUresult {
    *graph = nullptr;
    std::shared_ptr<Capture> capture = stream.capture;
    if (capture == nullptr) {
      return CUDA_ERROR_ILLEGAL_STATE;
    }
    if (capture->origin != &stream) {
      capture->invalidated = true;
      return CUDA_ERROR_STREAM_CAPTURE_UNMATCHED;
    }
    if (capture->mode != CU_STREAM_CAPTURE_MODE_RELAXED && capture->thread != std::this_thread::get_id()) {
      return CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD;
    }
    bool joined = is_joined(*capture);
    if (capture->invalidated || !joined) {
      abandon(driver, *capture);
      return joined ? CUDA_ERROR_STREAM_CAPTURE_INVALIDATED : CUDA_ERROR_STREAM_CAPTURE_UNJOINED;
    }
    end(driver, *capture);
    capture->invalidated = true; // for events that still name it
    *graph = reinterpret_cast<CUgraph>(capture->graph.release());
    return CUDA_SUCCESS;
  });
}

CUresult cuStreamIsCapturing(CUstream handle, CUstreamCaptureStatus *status) {
  return cuStreamGetCaptureInfo_v2(handle, status, nullptr, nullptr, nullptr, nullptr);
}

CUresult cuStreamGetCaptureInfo_v2(CUstream handle, CUstreamCaptureStatus *status, cuuint64_t *id, CUgraph *graph,
                                   const CUgraphNode **dependencies, size_t *count) {
  return with_stream(handle, [&](Driver &, Lock &, Stream &stream) -> CUresult {
    const Capture *capture = stream.capture.get();
    *status = capture == nullptr     ? CU_STREAM_CAPTURE_STATUS_NONE
              : capture->invalidated ? CU_STREAM_CAPTURE_STATUS_INVALIDATED
                                     : CU_STREAM_CAPTURE_STATUS_ACTIVE;
    if (*status != CU_STREAM_CAPTURE_STATUS_ACTIVE) {
      return CUDA_SUCCESS;
    }
    if (id != nullptr) {
      *id = capture->id;
    }
    if (graph != nullptr) {
      *graph = reinterpret_cast<CUgraph>(capture->graph.get());
    }
    if (dependencies != nullptr) {
      static_assert(sizeof(Node *) == sizeof(CUgraphNode));
      *dependencies = reinterpret_cast<const CUgraphNode *>(stream.dependencies.data());
    }
    if (count != nullptr) {
      *count = stream.dependencies.size();
    }
    return CUDA_SUCCESS;
  });
}

CUresult cuStreamUpdateCaptureDependencies(CUstream handle, CUgraphNode *dependencies, size_t count,
                                           unsigned int flags) {
  return with_stream(handle, [&](Driver &driver, Lock &, Stream &stream) -> CUresult {
    if (stream.capture == nullptr) {
      return CUDA_ERROR_ILLEGAL_STATE;
    }
    if (flags == kSetDependencies) {
      stream.dependencies.clear();
    }
    for (size_t i = 0; i < count; ++i) {
      Node *node = find(driver.nodes, dependencies[i]);
      if (node == nullptr || node->graph != stream.capture->graph.get()) {
        return CUDA_ERROR_INVALID_VALUE;
      }
      stream.dependencies.push_back(node);
    }
    return CUDA_SUCCESS;
  });
}

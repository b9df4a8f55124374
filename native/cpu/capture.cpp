#include "capture.h"

#include <cstring>
#include <mutex>
#include <new>

#include "graph.h"

namespace aios::cpu {
namespace {

/// Guards all captures: capturing is rare, and nothing waits under it.
std::mutex gate;

aios_status no_memory() {
  return fail(AIOS_STATUS_OUT_OF_MEMORY, "no memory for a capture");
}

} // namespace

/// A capture, or an update, from its begin to its end; forks may keep it for longer.
struct Capture {
  int references = 1;
  aios_graph graph = nullptr; // what it makes or changes, with a reference
  aios_stream first = nullptr;
  bool open = true;
  Member *members = nullptr;
  int64_t branches = 0;
  bool failed = false;

  bool updates = false;
  int64_t begin = 0, count = 0, done = 0; // the nodes that an update replaces, and how many it has
  NodeList nodes;
};

namespace {

void release(Capture *capture) {
  if (--capture->references == 0)
    delete capture;
}

Member *add_member(Capture &capture, aios_stream stream) {
  auto *member = new (std::nothrow) Member{&capture, stream, capture.branches, {}, capture.members};
  if (member == nullptr)
    return nullptr;
  ++capture.branches;
  capture.members = member;
  stream->member.store(member);
  return member;
}

/// Lets go of all streams.
void close(Capture *capture) {
  for (Member *member = capture->members; member != nullptr;) {
    Member *next = member->next;
    member->stream->member.store(nullptr);
    delete member;
    member = next;
  }
  capture->members = nullptr;
  capture->open = false;
  capture->nodes.destroy();
  if (capture->graph != nullptr)
    capture->graph->release();
  capture->graph = nullptr;
  release(capture);
}

/// Whether a command may replace a node: both of the same function, or without names of the same kernel.
bool same_function(const NodePlace &place, const Command &command) {
  if (place.origin.name == nullptr || command.origin.name == nullptr)
    return place.origin.name == command.origin.name && place.run == command.run;
  return std::strcmp(place.origin.name, command.origin.name) == 0;
}

const char *name_of(const Origin &origin) {
  return origin.name == nullptr ? "a command without a name" : origin.name;
}

aios_status replace(Capture &capture, const Command &command, const void *body) {
  const int64_t index = capture.begin + capture.done;
  capture.failed = true;
  if (capture.done == capture.count)
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "the update of %lld nodes from node %lld on is given one more: %s",
                static_cast<long long>(capture.count), static_cast<long long>(capture.begin), name_of(command.origin));
  const NodePlace &place = capture.graph->place(index);
  if (!same_function(place, command))
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "node %lld of the graph is %s and cannot become %s",
                static_cast<long long>(index), name_of(place.origin), name_of(command.origin));
  Node *node = Node::create(command, body);
  if (node == nullptr)
    return no_memory();
  node->index = index;
  capture.nodes.push(node);
  ++capture.done;
  capture.failed = false;
  return AIOS_STATUS_OK;
}

aios_status begin(aios_stream stream, aios_graph graph, Capture *&capture) {
  if (is_captured(stream))
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "the stream is being captured already");
  capture = new (std::nothrow) Capture;
  if (capture == nullptr)
    return no_memory();
  capture->graph = graph;
  capture->first = stream;
  if (add_member(*capture, stream) == nullptr) {
    delete capture;
    return no_memory();
  }
  return AIOS_STATUS_OK;
}

/// The capture or update that began with the stream.
Capture *began_with(aios_stream stream, bool update) {
  const Member *member = stream->member.load();
  if (member == nullptr || member->capture->first != stream || member->capture->updates != update) {
    fail(AIOS_STATUS_INVALID_ARGUMENT, "no %s began with this stream", update ? "update" : "capture");
    return nullptr;
  }
  return member->capture;
}

} // namespace

aios_status refuse_captured(const char *what) {
  return fail(AIOS_STATUS_INVALID_ARGUMENT,
              "the %s is being captured: nothing of it runs before the graph is launched, so there is nothing to wait "
              "for or to ask",
              what);
}

aios_status capture(aios_stream stream, const Command &command, const void *body) {
  const std::lock_guard lock(gate);
  Member *member = stream->member.load();
  if (member == nullptr)
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "the capture was ended by another thread meanwhile");
  Capture &capture = *member->capture;
  if (capture.updates)
    return replace(capture, command, body);
  const int64_t index = capture.graph->add(command, body, member->branch, member->after);
  member->after.clear();
  if (index < 0 || !member->after.push(index)) {
    capture.failed = true;
    return no_memory();
  }
  return AIOS_STATUS_OK;
}

void leave_capture(aios_stream stream) {
  const std::lock_guard lock(gate);
  Member *member = stream->member.load();
  if (member == nullptr)
    return;
  if (member->capture->first == stream) {
    close(member->capture);
    return;
  }
  for (Member **link = &member->capture->members; *link != nullptr; link = &(*link)->next)
    if (*link == member) {
      *link = member->next;
      break;
    }
  stream->member.store(nullptr);
  delete member;
}

Fork *make_fork(aios_stream stream) {
  const std::lock_guard lock(gate);
  const Member *member = stream->member.load();
  auto *fork = member == nullptr ? nullptr : new (std::nothrow) Fork{member->capture, {}};
  if (fork == nullptr || !fork->after.append(member->after)) {
    delete fork;
    return nullptr;
  }
  ++fork->capture->references;
  return fork;
}

void drop_fork(Fork *fork) {
  const std::lock_guard lock(gate);
  release(fork->capture);
  delete fork;
}

aios_status join(aios_stream stream, const Fork &fork) {
  const std::lock_guard lock(gate);
  if (!fork.capture->open)
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "the event was recorded in a capture that has ended: record it again");
  Member *member = stream->member.load();
  if (member == nullptr)
    member = add_member(*fork.capture, stream);
  else if (member->capture != fork.capture)
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "the event was recorded in another capture than the stream's");
  if (member == nullptr || !member->after.append(fork.after)) {
    fork.capture->failed = true;
    return no_memory();
  }
  return AIOS_STATUS_OK;
}

} // namespace aios::cpu

using aios::fail;
using namespace aios::cpu;

extern "C" {

aios_status aios_cpu_stream_begin_capture(aios_stream stream) {
  if (stream == nullptr)
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "stream is null");
  aios_graph graph = aios_graph_s::create();
  if (graph == nullptr)
    return no_memory();
  const std::lock_guard lock(gate);
  Capture *capture = nullptr;
  const aios_status status = begin(stream, graph, capture);
  if (status != AIOS_STATUS_OK)
    graph->release();
  return status;
}

aios_status aios_cpu_stream_end_capture(aios_stream stream, aios_graph *graph) {
  if (stream == nullptr || graph == nullptr)
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "stream or graph is null");
  const std::lock_guard lock(gate);
  *graph = nullptr;
  Capture *capture = began_with(stream, false);
  if (capture == nullptr)
    return AIOS_STATUS_INVALID_ARGUMENT;
  int64_t stray = -1;
  aios_status status = AIOS_STATUS_OK;
  if (capture->failed || !capture->graph->complete(stream->member.load()->after, stream->priority(), stray)) {
    status = no_memory();
  } else if (stray >= 0) {
    status = fail(AIOS_STATUS_INVALID_ARGUMENT,
                  "branch %lld of the capture was not joined: record an event on its stream after its last work, and "
                  "let the stream with which the capture began wait for it",
                  static_cast<long long>(stray));
  } else {
    *graph = capture->graph;
    (*graph)->reference();
  }
  close(capture);
  return status;
}

aios_status aios_cpu_stream_get_capture(aios_stream stream, int64_t *nodes) {
  if (stream == nullptr || nodes == nullptr)
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "stream or nodes is null");
  const std::lock_guard lock(gate);
  const Member *member = stream->member.load();
  if (member == nullptr)
    *nodes = -1;
  else
    *nodes = member->capture->updates ? member->capture->done : member->capture->graph->nodes();
  return AIOS_STATUS_OK;
}

aios_status aios_cpu_stream_begin_update(aios_stream stream, aios_graph graph, int64_t first, int64_t count) {
  if (stream == nullptr || graph == nullptr)
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "stream or graph is null");
  if (first < 0 || count < 0 || first > graph->nodes() || count > graph->nodes() - first)
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "nodes %lld to %lld of a graph of %lld", static_cast<long long>(first),
                static_cast<long long>(first + count - 1), static_cast<long long>(graph->nodes()));
  const std::lock_guard lock(gate);
  Capture *capture = nullptr;
  if (const aios_status status = begin(stream, graph, capture))
    return status;
  graph->reference();
  capture->updates = true;
  capture->begin = first;
  capture->count = count;
  return AIOS_STATUS_OK;
}

aios_status aios_cpu_stream_end_update(aios_stream stream) {
  if (stream == nullptr)
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "stream is null");
  const std::lock_guard lock(gate);
  Capture *capture = began_with(stream, true);
  if (capture == nullptr)
    return AIOS_STATUS_INVALID_ARGUMENT;
  aios_status status = AIOS_STATUS_OK;
  if (capture->failed)
    status = fail(AIOS_STATUS_INVALID_ARGUMENT, "a call of the update failed; the graph is as it was");
  else if (capture->done != capture->count)
    status = fail(AIOS_STATUS_INVALID_ARGUMENT, "the update of %lld nodes from node %lld on was given %lld",
                  static_cast<long long>(capture->count), static_cast<long long>(capture->begin),
                  static_cast<long long>(capture->done));
  else
    capture->graph->update(capture->nodes);
  close(capture);
  return status;
}
}

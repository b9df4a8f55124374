#include "graph.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

#include "capture.h"

using aios::fail;
using aios::cpu::Array;
using aios::cpu::Command;
using aios::cpu::Node;
using aios::cpu::NodePlace;
using aios::cpu::Stretch;
using aios::cpu::WaitBody;

namespace aios::cpu {

Node *Node::create(const Command &command, const void *body) {
  const size_t bytes = (sizeof(Node) + command.bytes + alignof(Node) - 1) / alignof(Node) * alignof(Node);
  void *memory = std::aligned_alloc(alignof(Node), bytes);
  if (memory == nullptr)
    return nullptr;
  Node *node = new (memory) Node;
  node->command = command;
  std::memcpy(node->body(), body, command.bytes);
  return node;
}

void Node::destroy(Node *node) {
  std::free(node);
}

void NodeList::push(Node *node) {
  (tail == nullptr ? head : tail->next) = node;
  tail = node;
}

void NodeList::append(NodeList &other) {
  if (other.head == nullptr)
    return;
  (tail == nullptr ? head : tail->next) = other.head;
  tail = other.tail;
  other.head = other.tail = nullptr;
}

void NodeList::destroy() {
  while (head != nullptr) {
    Node *node = head;
    head = node->next;
    Node::destroy(node);
  }
  tail = nullptr;
}

} // namespace aios::cpu

aios_graph aios_graph_s::create() {
  return new (std::nothrow) aios_graph_s;
}

aios_graph_s::~aios_graph_s() {
  for (Node *node : nodes_)
    Node::destroy(node);
  updates_.destroy();
  for (aios_stream lane : lanes_)
    lane->release();
  if (last_launch_.stream != nullptr)
    last_launch_.stream->release();
}

void aios_graph_s::release() {
  if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1)
    delete this;
}

int64_t aios_graph_s::add(const Command &command, const void *body, int64_t branch, const Array<int64_t> &after) {
  const int64_t index = nodes();
  const auto own = static_cast<size_t>(branch);
  while (last_of_branch_.size() <= own)
    if (!last_of_branch_.push(-1))
      return -1;
  NodePlace place{command.origin, command.run, branch, -1, static_cast<int64_t>(edges_.size()), 0};
  for (const int64_t node : after)
    if (places_[static_cast<size_t>(node)].branch != branch) {
      if (!edges_.push(node))
        return -1;
      ++place.wait_count;
    }
  Node *node = Node::create(command, body);
  if (node == nullptr || !nodes_.push(node)) {
    std::free(node);
    return -1;
  }
  if (!places_.push(place))
    return -1;
  if (last_of_branch_[own] >= 0)
    places_[static_cast<size_t>(last_of_branch_[own])].next = index;
  last_of_branch_[own] = index;
  return index;
}

bool aios_graph_s::complete(const Array<int64_t> &last, int32_t priority, int64_t &stray) {
  if (!find_stray(last, stray))
    return false;
  if (stray >= 0)
    return true;
  for (const int64_t node : last)
    if (place(node).branch != 0 && !last_.push(node))
      return false;
  while (lanes_.size() + 1 < last_of_branch_.size()) {
    aios_stream lane = aios_stream_s::create(priority);
    if (lane == nullptr || !lanes_.push(lane)) {
      if (lane != nullptr)
        lane->release();
      return false;
    }
  }
  return cut();
}

/// Looks for a node that nothing leads from to the end. False when there is no memory.
bool aios_graph_s::find_stray(const Array<int64_t> &last, int64_t &stray) const {
  Array<bool> reached;
  Array<int64_t> previous;
  for (int64_t node = 0; node < nodes(); ++node)
    if (!reached.push(false) || !previous.push(-1))
      return false;
  for (int64_t node = 0; node < nodes(); ++node)
    if (place(node).next >= 0)
      previous[static_cast<size_t>(place(node).next)] = node;
  for (const int64_t node : last)
    reached[static_cast<size_t>(node)] = true;
  stray = -1;
  for (int64_t node = nodes() - 1; node >= 0; --node) {
    const auto index = static_cast<size_t>(node);
    if (!reached[index]) {
      stray = place(node).branch;
      continue;
    }
    if (previous[index] >= 0)
      reached[static_cast<size_t>(previous[index])] = true;
    for (int64_t wait = 0; wait < place(node).wait_count; ++wait)
      reached[static_cast<size_t>(edges_[static_cast<size_t>(place(node).waits + wait)])] = true;
  }
  return true;
}

/// Cuts the branches where they wait for each other. A wait that an earlier one of the same branch implies is dropped.
bool aios_graph_s::cut() {
  const size_t branches = last_of_branch_.size();
  Array<int64_t> waited; // [branch][other]: the last node of the other that the branch has waited for
  Array<int64_t> kept;   // the waits that are left, and how many of each node
  Array<int64_t> counts;
  Array<bool> awaited;    // nodes that a stretch must end with
  Array<int64_t> stretch; // of each node
  for (size_t i = 0; i < branches * branches; ++i)
    if (!waited.push(-1))
      return false;
  for (int64_t node = 0; node < nodes(); ++node)
    if (!counts.push(0) || !awaited.push(false) || !stretch.push(-1))
      return false;

  const auto keep = [&](size_t branch, int64_t other) {
    int64_t &seen = waited[branch * branches + static_cast<size_t>(place(other).branch)];
    if (seen >= other)
      return false;
    seen = other;
    awaited[static_cast<size_t>(other)] = true;
    return true;
  };
  for (int64_t node = 0; node < nodes(); ++node) {
    const NodePlace &at = place(node);
    for (int64_t wait = 0; wait < at.wait_count; ++wait) {
      const int64_t other = edges_[static_cast<size_t>(at.waits + wait)];
      if (!keep(static_cast<size_t>(at.branch), other))
        continue;
      if (!kept.push(other))
        return false;
      ++counts[static_cast<size_t>(node)];
    }
  }
  Array<int64_t> end;
  for (const int64_t node : last_)
    if (keep(0, node) && !end.push(node))
      return false;

  // A stretch waits for stretches that begin with an earlier node, so their order is one in which they can be launched.
  size_t wait = 0;
  for (int64_t node = 0; node < nodes(); ++node) {
    const auto index = static_cast<size_t>(node);
    if (stretch[index] < 0) {
      Stretch fresh{node, 0, place(node).branch, static_cast<int64_t>(stretch_waits_.size()), counts[index]};
      for (int64_t i = 0; i < fresh.wait_count; ++i)
        if (!stretch_waits_.push(stretch[static_cast<size_t>(kept[wait + static_cast<size_t>(i)])]))
          return false;
      const auto number = static_cast<int64_t>(stretches_.size());
      for (int64_t member = node;;) {
        stretch[static_cast<size_t>(member)] = number;
        ++fresh.count;
        if (awaited[static_cast<size_t>(member)])
          break;
        member = place(member).next;
        if (member < 0 || counts[static_cast<size_t>(member)] > 0)
          break;
      }
      if (!stretches_.push(fresh))
        return false;
    }
    wait += static_cast<size_t>(counts[index]);
  }
  for (const int64_t node : end)
    if (!end_waits_.push(stretch[static_cast<size_t>(node)]))
      return false;
  for (size_t i = 0; i < stretches_.size(); ++i)
    if (!targets_.push(0))
      return false;
  return true;
}

void aios_graph_s::update(aios::cpu::NodeList &nodes) {
  const std::lock_guard lock(mutex_);
  updates_.append(nodes);
}

/// Body of the commands of a launch; holds a reference to the graph and to the stream of the launch.
struct aios_graph_s::LaunchBody {
  aios_graph graph;
  aios_stream launched;
  int64_t stretch; // -1 for none
  Node *updates;   // applied first
};

void aios_graph_s::run(const void *body, aios::Team &team) {
  const LaunchBody &launch = *static_cast<const LaunchBody *>(body);
  aios_graph_s &graph = *launch.graph;
  for (Node *update = launch.updates; update != nullptr; update = update->next) {
    Node *&node = graph.nodes_[static_cast<size_t>(update->index)];
    Node::destroy(node);
    node = update;
  }
  if (launch.stretch >= 0) {
    const Stretch &stretch = graph.stretches_[static_cast<size_t>(launch.stretch)];
    int64_t index = stretch.first;
    for (int64_t i = 0; i < stretch.count; ++i, index = graph.place(index).next) {
      Node *node = graph.nodes_[static_cast<size_t>(index)];
      launch.launched->execute(node->command, node->body(), team, {stretch.branch, 0, 0});
    }
  }
  launch.launched->release();
  launch.graph->release();
}

uint64_t aios_graph_s::enqueue(aios_stream on, aios_stream launched, int64_t stretch, Node *updates) {
  reference();
  launched->reference();
  const LaunchBody body{this, launched, stretch, updates};
  const aios::cpu::Origin origin{on == launched ? "graph" : nullptr, aios::cpu::origin.site, 0};
  return on->enqueue({run, Command::Kind::Control, sizeof body, origin}, &body);
}

uint64_t aios_graph_s::enqueue_wait(aios_stream on, const WaitBody &point) {
  point.stream->reference();
  return on->enqueue({nullptr, Command::Kind::Wait, sizeof point, {}}, &point);
}

void aios_graph_s::launch(aios_stream stream) {
  const std::lock_guard lock(mutex_);
  if (nodes() == 0)
    return;
  if (last_launch_.stream != nullptr) {
    if (last_launch_.stream != stream && !last_launch_.stream->reached(last_launch_.target))
      enqueue_wait(stream, last_launch_);
    last_launch_.stream->release();
  }
  Node *updates = updates_.head;
  updates_ = {};
  stream->reference();
  last_launch_.stream = stream;
  if (lanes_.empty()) { // one branch is one stretch
    last_launch_.target = enqueue(stream, stream, 0, updates);
    return;
  }
  const WaitBody start{stream, enqueue(stream, stream, -1, updates)};
  const auto lane = [&](int64_t branch) { return branch == 0 ? stream : lanes_[static_cast<size_t>(branch - 1)]; };
  const auto wait_for = [&](aios_stream on, int64_t stretch) {
    const auto index = static_cast<size_t>(stretch);
    return enqueue_wait(on, {lane(stretches_[index].branch), targets_[index]});
  };
  for (size_t i = 0; i < stretches_.size(); ++i) {
    const Stretch &stretch = stretches_[i];
    aios_stream on = lane(stretch.branch);
    for (int64_t wait = 0; wait < stretch.wait_count; ++wait)
      wait_for(on, stretch_waits_[static_cast<size_t>(stretch.waits + wait)]);
    // A fork before the first node is a wait for nothing.
    if (stretch.wait_count == 0 && stretch.branch != 0)
      enqueue_wait(on, start);
    targets_[i] = enqueue(on, stream, static_cast<int64_t>(i), nullptr);
  }
  for (const int64_t stretch : end_waits_)
    wait_for(stream, stretch);
  last_launch_.target = stream->enqueued();
}

aios_cpu_graph_info aios_graph_s::info() const {
  const auto size = [](const auto &array) { return static_cast<int64_t>(array.size()); };
  aios_cpu_graph_info info{nodes(), size(stretch_waits_) + size(end_waits_), size(stretches_), size(lanes_) + 1};
  if (!lanes_.empty()) {
    info.commands += 1 + info.edges;
    for (const Stretch &stretch : stretches_)
      info.commands += stretch.branch != 0 && stretch.wait_count == 0;
  }
  return info;
}

extern "C" {

aios_status aios_cpu_graph_launch(aios_graph graph, aios_stream stream) {
  if (graph == nullptr || stream == nullptr)
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "graph or stream is null");
  if (aios::cpu::is_captured(stream))
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "the stream is being captured: a graph cannot become part of another");
  graph->launch(stream);
  return AIOS_STATUS_OK;
}

aios_status aios_cpu_graph_destroy(aios_graph graph) {
  if (graph != nullptr)
    graph->release();
  return AIOS_STATUS_OK;
}

aios_status aios_cpu_graph_get_info(aios_graph graph, aios_cpu_graph_info *info) {
  if (graph == nullptr || info == nullptr)
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "graph or info is null");
  *info = graph->info();
  return AIOS_STATUS_OK;
}

aios_status aios_cpu_graph_get_node(aios_graph graph, int64_t index, aios_cpu_graph_node *node) {
  if (graph == nullptr || node == nullptr || index < 0 || index >= graph->nodes())
    return fail(AIOS_STATUS_INVALID_ARGUMENT, "the graph has no node %lld", static_cast<long long>(index));
  const NodePlace &place = graph->place(index);
  std::snprintf(node->name, sizeof node->name, "%s", place.origin.name == nullptr ? "" : place.origin.name);
  node->branch = place.branch;
  return AIOS_STATUS_OK;
}
}

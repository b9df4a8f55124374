// Graphs: captured commands, and how a launch hands them to streams.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

#include "array.h"
#include "command.h"
#include "stream.h"

namespace aios::cpu {

/// A command of a graph, with its body behind it.
struct alignas(64) Node {
  Command command;
  Node *next = nullptr; ///< In the list of an update.
  int64_t index = 0;    ///< The node that an update replaces.

  /// Null when there is no memory.
  static Node *create(const Command &command, const void *body);
  static void destroy(Node *node);
  void *body() { return this + 1; }
};

/// Nodes that replace others, first come first.
struct NodeList {
  Node *head = nullptr, *tail = nullptr;

  void push(Node *node);
  void append(NodeList &other);
  void destroy();
};

/// What stays of a node whatever updates it.
struct NodePlace {
  Origin origin;
  void (*run)(const void *body, Team &team);
  int64_t branch;
  int64_t next;              ///< The next node of the branch; -1 at its end.
  int64_t waits, wait_count; ///< Nodes of other branches that it comes after: a range of the graph's `edges`.
};

/// Nodes of one branch that nothing interrupts: one command of a launch.
struct Stretch {
  int64_t first, count, branch;
  int64_t waits, wait_count; ///< Stretches that come first: a range of the graph's `stretch_waits`.
};

} // namespace aios::cpu

/// Lives until the handle is destroyed and no launch or update refers to it any more.
struct aios_graph_s {
  /// Null when there is no memory.
  static aios_graph create();
  void reference() { references_.fetch_add(1, std::memory_order_relaxed); }
  void release();

  /// While it is captured: adds a node of a branch that comes after other nodes; its index, or -1 without memory.
  int64_t add(const aios::cpu::Command &command, const void *body, int64_t branch,
              const aios::cpu::Array<int64_t> &after);

  /// Ends the capture: `last` are the nodes that its first stream has come after. False when there is no memory.
  /// `stray` becomes a branch that was not joined, or -1; then the graph cannot be used.
  bool complete(const aios::cpu::Array<int64_t> &last, int32_t priority, int64_t &stray);

  /// Replaces nodes in the launches made from now on.
  void update(aios::cpu::NodeList &nodes);

  void launch(aios_stream stream);

  int64_t nodes() const { return static_cast<int64_t>(places_.size()); }
  const aios::cpu::NodePlace &place(int64_t index) const { return places_[static_cast<size_t>(index)]; }
  aios_cpu_graph_info info() const;

private:
  struct LaunchBody;
  static void run(const void *body, aios::Team &team);

  aios_graph_s() = default;
  ~aios_graph_s();
  bool find_stray(const aios::cpu::Array<int64_t> &last, int64_t &stray) const;
  bool cut();
  uint64_t enqueue(aios_stream on, aios_stream launched, int64_t stretch, aios::cpu::Node *updates);
  static uint64_t enqueue_wait(aios_stream on, const aios::cpu::WaitBody &point);

  std::atomic<int> references_{1};

  // Written while it is captured.
  aios::cpu::Array<aios::cpu::NodePlace> places_;
  aios::cpu::Array<int64_t> edges_;
  aios::cpu::Array<int64_t> last_of_branch_;
  aios::cpu::Array<int64_t> last_; ///< Nodes of other branches that the end comes after.
  aios::cpu::Array<aios::cpu::Stretch> stretches_;
  aios::cpu::Array<int64_t> stretch_waits_;
  aios::cpu::Array<int64_t> end_waits_; ///< Stretches that the end of a launch waits for.
  aios::cpu::Array<aios_stream> lanes_; ///< Of the branches after the first.

  aios::cpu::Array<aios::cpu::Node *> nodes_; ///< Changed by launches only, which run one after the other.

  std::mutex mutex_; ///< Guards what follows, and makes a launch one piece.
  aios::cpu::NodeList updates_;
  aios::cpu::WaitBody last_launch_{nullptr, 0};
  aios::cpu::Array<uint64_t> targets_; ///< Of the stretches, during a launch.
};

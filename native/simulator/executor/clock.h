// Ordering clocks: who has seen what. A vector clock per thread, shared between threads as long as it is the same.
//
// Every thread, and every asynchronous agent (a copy, a tensor load, a wgmma), has a time of its own, which goes up
// when it releases something to others. Whoever acquires it knows all that the releaser knew. An access by agent `a` at
// time `t` is ordered before what a thread does now if the thread has seen `a` at `t` or later.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace aios::sim {

/// An immutable vector of times, indexed by agent; agents beyond its end have not been seen at all.
using Times = std::shared_ptr<const std::vector<uint32_t>>;

inline bool has_seen(const Times &times, uint32_t agent, uint32_t time) {
  return times && agent < times->size() && (*times)[agent] >= time;
}

/// What a thread knows of others. `seen` orders accesses of the same proxy; `fenced` is the part of it after which a
/// proxy fence has been seen, and which asynchronous accesses may therefore rely on.
struct Knowledge {
  Times seen, fenced;
};

/// Builds the least upper bound of vectors of times.
class Join {
public:
  void add(const Times &times);
  void add(uint32_t agent, uint32_t time);
  void clear();
  bool empty() const { return values_.empty(); }
  /// The bound so far. Adding more does not change what was returned before.
  Times result();

private:
  static constexpr unsigned kRecent = 4;

  std::vector<uint32_t> values_;
  // Vectors that are part of it already; most threads of a block bring the same one.
  Times recent_[kRecent];
  unsigned next_ = 0;
  Times result_; // null when values_ has grown since
};

/// The bound of two vectors. Threads that know the same and learn the same share the result.
Times joined(const Times &a, const Times &b);

/// The same for knowledge.
struct KnowledgeJoin {
  Join seen, fenced;

  void add(const Knowledge &knowledge) {
    seen.add(knowledge.seen);
    fenced.add(knowledge.fenced);
  }
  Knowledge result() { return {seen.result(), fenced.result()}; }
  void clear() {
    seen.clear();
    fenced.clear();
  }
};

} // namespace aios::sim

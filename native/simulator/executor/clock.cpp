#include "clock.h"

#include <algorithm>

namespace aios::sim {

void Join::add(const Times &times) {
  if (!times)
    return;
  for (const Times &recent : recent_)
    if (recent == times)
      return;
  recent_[next_++ % kRecent] = times;
  if (values_.size() < times->size())
    values_.resize(times->size(), 0);
  const uint32_t *from = times->data();
  uint32_t *to = values_.data();
  for (size_t i = 0, n = times->size(); i < n; ++i)
    to[i] = std::max(to[i], from[i]);
  result_.reset();
}

void Join::add(uint32_t agent, uint32_t time) {
  if (values_.size() <= agent)
    values_.resize(agent + 1, 0);
  if (values_[agent] < time) {
    values_[agent] = time;
    result_.reset();
  }
}

void Join::clear() {
  values_.clear();
  result_.reset();
  for (Times &recent : recent_)
    recent.reset();
}

Times Join::result() {
  if (!result_ && !values_.empty())
    result_ = std::make_shared<const std::vector<uint32_t>>(values_);
  return result_;
}

Times joined(const Times &a, const Times &b) {
  if (a == b || !b)
    return a;
  if (!a)
    return b;
  struct Recent {
    Times a, b, result;
  };
  static thread_local Recent recent[8];
  static thread_local unsigned next = 0;
  for (const Recent &known : recent)
    if (known.a == a && known.b == b)
      return known.result;
  Join join;
  join.add(a);
  join.add(b);
  recent[next % 8] = Recent{a, b, join.result()};
  return recent[next++ % 8].result;
}

} // namespace aios::sim

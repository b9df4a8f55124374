#include "ready_queue.h"

#include "adversary.h"
#include "stream.h"

namespace aios::cpu {
namespace {

// So many streams of more urgent levels go before one that waits.
constexpr int kPatience = 16;

} // namespace

void ReadyQueue::push(aios_stream stream) {
  stream->next_ready = nullptr;
  const std::lock_guard lock(mutex_);
  Level &level = levels_[stream->level()];
  (level.tail == nullptr ? level.head : level.tail->next_ready) = stream;
  level.tail = stream;
  counts_.fetch_add(one(stream->level()));
}

aios_stream ReadyQueue::pop(bool &more) {
  more = false;
  if (empty_in_order())
    return nullptr;
  const std::lock_guard lock(mutex_);
  const uint64_t counts = counts_.load(std::memory_order_relaxed);
  if (counts == 0)
    return nullptr;
  int level = 0;
  uint64_t position = 0;
  if (adversary::active()) {
    const auto count = [&](int of) { return (counts >> (kBits * of)) & (one(1) - 1); };
    position = adversary::choose(count(0) + count(1) + count(2));
    for (; position >= count(level); ++level)
      position -= count(level);
  } else {
    level = next_level();
  }
  more = counts != one(level);
  return take(level, position);
}

int ReadyQueue::next_level() {
  int chosen = -1;
  for (int level = 0; level < kLevels; ++level) {
    if (levels_[level].head == nullptr)
      continue;
    if (chosen < 0 || ++levels_[level].passed_over > kPatience)
      chosen = level;
  }
  levels_[chosen].passed_over = 0;
  return chosen;
}

aios_stream ReadyQueue::take(int level, uint64_t position) {
  Level &from = levels_[level];
  aios_stream before = nullptr, stream = from.head;
  for (; position > 0; --position) {
    before = stream;
    stream = stream->next_ready;
  }
  (before == nullptr ? from.head : before->next_ready) = stream->next_ready;
  if (from.tail == stream)
    from.tail = before;
  counts_.fetch_sub(one(level));
  return stream;
}

} // namespace aios::cpu

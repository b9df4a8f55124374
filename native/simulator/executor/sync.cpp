#include "sync.h"

#include <bit>

#include "engine.h"
#include "report.h"

namespace aios::sim {
namespace {

bool same_place(const Site &a, const Site &b) {
  return a.line() == b.line() && a.column() == b.column() && std::string_view(a.file_name()) == b.file_name();
}

std::string hexadecimal(uint32_t value) {
  char text[16];
  std::snprintf(text, sizeof text, "0x%08x", value);
  return text;
}

std::string describe_meeting(const Thread &thread) {
  for (const Meeting &meeting : thread.warp->meetings)
    if (meeting.arrived >> thread.lane & 1)
      return std::string(meeting.op->name) + " of lanes " + hexadecimal(meeting.mask) + ", of which " +
             hexadecimal(meeting.mask & thread.warp->alive & ~meeting.arrived) + " have not come";
  return "a warp-wide operation";
}

std::string describe_barrier(const Thread &thread) {
  const Barrier &barrier = thread.block->barriers[thread.wait.address];
  return (thread.wait.address == 0 ? std::string("__syncthreads") : "barrier " + std::to_string(thread.wait.address)) +
         ", where " + std::to_string(barrier.arrived) + " of " + std::to_string(barrier.expected) +
         " threads have arrived";
}

void finish(Warp &warp, size_t position) {
  Meeting meeting = warp.meetings[position];
  warp.meetings.erase(warp.meetings.begin() + static_cast<ptrdiff_t>(position));
  Engine &engine = Engine::get();
  if (meeting.op->complete != nullptr)
    meeting.op->complete(meeting);
  if (meeting.op->ordered && engine.keeps_clocks()) {
    KnowledgeJoin join;
    for (uint32_t lanes = meeting.arrived; lanes != 0; lanes &= lanes - 1)
      release_to(join, meeting.thread(static_cast<unsigned>(std::countr_zero(lanes))));
    Knowledge knowledge = join.result();
    for (uint32_t lanes = meeting.arrived; lanes != 0; lanes &= lanes - 1)
      meeting.thread(static_cast<unsigned>(std::countr_zero(lanes))).knowledge = knowledge;
  }
  for (uint32_t lanes = meeting.arrived; lanes != 0; lanes &= lanes - 1) {
    Thread &thread = meeting.thread(static_cast<unsigned>(std::countr_zero(lanes)));
    if (thread.state == State::waiting)
      engine.wake(thread);
  }
}

/// Lets everybody go whose warp has been counted. Lanes of other warps remain: they belong to the next time.
void open(Barrier &barrier, Block &block) {
  Engine &engine = Engine::get();
  ++engine.counters().barriers;
  // Who waits here has also released here, so that the bound holds all that it knew.
  Knowledge knowledge = barrier.released.result();
  size_t kept = 0;
  for (Thread *thread : barrier.waiting) {
    if (!barrier.warps[thread->warp->index].counted) {
      barrier.waiting[kept++] = thread;
      continue;
    }
    if (engine.keeps_clocks())
      thread->knowledge = knowledge;
    if (thread->operand != nullptr)
      *static_cast<int *>(thread->operand) = barrier.result;
    if (thread->state == State::waiting)
      engine.wake(*thread);
  }
  barrier.waiting.resize(kept);
  barrier.released.clear();
  barrier.arrived = 0;
  bool empty = true;
  for (BarrierWarp &warp : barrier.warps) {
    if (warp.counted)
      warp = BarrierWarp{};
    if (warp.lanes != 0) {
      empty = false;
      barrier.first = warp.first;
      barrier.site = warp.site;
    }
  }
  if (empty) {
    barrier.expected = 0;
    --block.busy_barriers;
  }
}

} // namespace

void release_to(KnowledgeJoin &join, Thread &thread) {
  join.add(thread.knowledge);
  join.seen.add(thread.id, thread.time++);
}

void acquire(Thread &thread, const Knowledge &knowledge) {
  thread.knowledge.seen = joined(thread.knowledge.seen, knowledge.seen);
  thread.knowledge.fenced = joined(thread.knowledge.fenced, knowledge.fenced);
}

void meet(const WarpOp &op, uint32_t mask, void *operand, const Site &site) {
  Thread &self = *current;
  Warp &warp = *self.warp;
  uint32_t bit = 1u << self.lane;
  if ((mask & bit) == 0)
    stop(Fault::divergence, site, "%s with mask 0x%08x is executed by lane %u, which the mask leaves out", op.name,
         mask, self.lane);
  if (op.aligned && (mask & ~warp.alive) != 0)
    stop(Fault::divergence, site, "%s needs all lanes of the warp, but lanes 0x%08x have exited or do not exist",
         op.name, mask & ~warp.alive);
  self.operand = operand;
  size_t position = warp.meetings.size();
  for (size_t i = 0; i < warp.meetings.size(); ++i) {
    const Meeting &meeting = warp.meetings[i];
    bool joins = meeting.op == &op && meeting.mask == mask;
    // Other lanes may be at another instruction, which may even name this lane: it comes there later. But lanes that
    // wait for each other at two instructions will never meet.
    uint32_t others = joins ? meeting.arrived : (meeting.mask & bit) != 0 ? meeting.arrived & mask : 0;
    if (others == 0)
      continue;
    auto other = static_cast<unsigned>(std::countr_zero(others));
    if (!joins)
      stop(Fault::divergence, site, "%s with mask 0x%08x, while lane %u of the warp waits in %s with mask 0x%08x at %s",
           op.name, mask, other, meeting.op->name, meeting.mask, place(meeting.site).c_str());
    if (op.aligned && !same_place(meeting.site, site))
      stop(Fault::divergence, site,
           "%s must be executed by all lanes of the warp together, but lane %u executes the one at %s", op.name, other,
           place(meeting.site).c_str());
    position = i;
  }
  if (position == warp.meetings.size())
    warp.meetings.push_back(Meeting{&op, &warp, mask, 0, site});
  Meeting &meeting = warp.meetings[position];
  meeting.arrived |= bit;
  if (meeting.arrived == (mask & warp.alive))
    finish(warp, position);
  else
    Engine::get().wait(Wait{describe_meeting, site});
}

void leave_warp(Thread &thread) {
  Warp &warp = *thread.warp;
  for (size_t i = warp.meetings.size(); i-- > 0;) {
    const Meeting &meeting = warp.meetings[i];
    if (meeting.op->aligned)
      stop(Fault::divergence, meeting.site, "%s needs all lanes of the warp, but lane %u has exited", meeting.op->name,
           thread.lane);
    if (meeting.arrived == (meeting.mask & warp.alive))
      finish(warp, i);
  }
}

namespace {

void arrive(Barrier &barrier, unsigned id, unsigned count, bool waits, const Site &site) {
  Thread &self = *current;
  Engine &engine = Engine::get();
  if (self.warp->alive != self.warp->lanes)
    stop(Fault::divergence, site, "barrier %u needs all lanes of the warp, but lanes 0x%08x have exited", id,
         self.warp->lanes & ~self.warp->alive);
  if (barrier.expected == 0) {
    ++self.block->busy_barriers;
    barrier.expected = count;
    barrier.site = site;
    barrier.first = &self;
    barrier.warps.assign(self.block->warp_count, BarrierWarp{});
  } else if (barrier.expected != count) {
    stop(Fault::protocol, site, "barrier %u is entered for %u threads, but %s at %s has entered it for %u", id, count,
         thread_name(*barrier.first).c_str(), place(barrier.site).c_str(), barrier.expected);
  }
  BarrierWarp &warp = barrier.warps[self.warp->index];
  if (warp.lanes == 0) {
    warp.site = site;
    warp.first = &self;
  } else if (!same_place(warp.site, site)) {
    stop(Fault::divergence, site,
         "barrier %u must be entered by all lanes of a warp together, but %s is at the one at %s", id,
         thread_name(*warp.first).c_str(), place(warp.site).c_str());
  }
  if (warp.lanes >> self.lane & 1)
    stop(Fault::protocol, site, "barrier %u is entered twice by the same warp before it is complete", id);
  warp.lanes |= 1u << self.lane;
  if (waits)
    barrier.waiting.push_back(&self);
  if (warp.lanes == self.warp->lanes) {
    warp.counted = true;
    barrier.arrived += kWarpSize;
    for (uint32_t lanes = warp.lanes; engine.keeps_clocks() && lanes != 0; lanes &= lanes - 1)
      release_to(barrier.released, self.warp->threads[std::countr_zero(lanes)]);
  }
  if (barrier.arrived == barrier.expected)
    open(barrier, *self.block);
  else if (waits)
    engine.wait(Wait{describe_barrier, site, id});
}

} // namespace

int sync_block(Vote vote, int predicate, const Site &site) {
  Thread &self = *current;
  Block &block = *self.block;
  Barrier &barrier = block.barriers[0];
  auto size = static_cast<uint32_t>(Engine::get().launch().block.volume());
  if (block.alive != size)
    stop(Fault::divergence, site, "__syncthreads after %u threads of the block have exited", size - block.alive);
  if (barrier.expected == 0)
    barrier.result = vote == Vote::all ? 1 : 0;
  else if (!same_place(barrier.site, site))
    stop(Fault::divergence, site, "__syncthreads in divergent code: %s waits at the one at %s",
         thread_name(*barrier.first).c_str(), place(barrier.site).c_str());
  int holds = predicate != 0 ? 1 : 0;
  if (vote == Vote::count)
    barrier.result += holds;
  else if (vote == Vote::all)
    barrier.result &= holds;
  else
    barrier.result |= holds;
  int result = 0;
  self.operand = &result;
  arrive(barrier, 0, block.warp_count * kWarpSize, true, site);
  return result;
}

namespace {

void enter_named(unsigned id, unsigned count, bool waits, const Site &site) {
  if (id >= kNamedBarriers || count == 0 || count % kWarpSize != 0 || count > current->block->warp_count * kWarpSize)
    stop(Fault::protocol, site, "barrier %u for %u threads: there are barriers 0 to 15, for whole warps of the block",
         id, count);
  current->operand = nullptr;
  arrive(current->block->barriers[id], id, count, waits, site);
}

} // namespace

void sync_named(unsigned id, unsigned count, const Site &site) {
  enter_named(id, count, true, site);
}

void arrive_named(unsigned id, unsigned count, const Site &site) {
  enter_named(id, count, false, site);
}

void leave_block(Thread &thread) {
  const Block &block = *thread.block;
  if (block.busy_barriers == 0)
    return;
  const Barrier &all = block.barriers[0];
  if (all.expected == block.warp_count * kWarpSize)
    stop(Fault::divergence, all.site, "__syncthreads, where %s waits, is never reached by %s, which has exited",
         thread_name(*all.first).c_str(), thread_name(thread).c_str());
  for (const Barrier &barrier : block.barriers)
    if (barrier.expected != 0 && barrier.warps[thread.warp->index].lanes != 0 &&
        !barrier.warps[thread.warp->index].counted)
      stop(Fault::divergence, barrier.warps[thread.warp->index].site,
           "barrier %td, where %s waits, needs all lanes of the warp, but lane %u has exited",
           &barrier - block.barriers, thread_name(*barrier.warps[thread.warp->index].first).c_str(), thread.lane);
}

} // namespace aios::sim

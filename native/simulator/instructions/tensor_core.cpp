#include "tensor_core.h"

#include <algorithm>
#include <cstring>

#include "../executor/report.h"
#include "../executor/sync.h"
#include "asynchrony.h"
#include "product.h"

namespace aios::sim {
namespace {

constexpr uint32_t kPoison = 0xFFFFDEADu; // NaN, and an unlikely integer
constexpr unsigned kDelayMagnitude = 8;
constexpr uint32_t kAll = 0xFFFFFFFFu;

struct ProductOperand {
  const Product *product;
  uint32_t *registers;
  const uint32_t *a;
};

Warpgroup &group_of(const Warp &warp) {
  return Engine::get().asynchrony().warpgroup(warp);
}

Warpgroup::WarpState &warp_state(const Warp &warp) {
  return group_of(warp).warps[warp.index % kWarpgroupWarps];
}

unsigned number(const Thread &thread) {
  return thread.rank % kWarpgroupThreads;
}

Accumulators *find(std::vector<Accumulators> &list, const uint32_t *registers) {
  for (Accumulators &entry : list)
    if (entry.registers == registers)
      return &entry;
  return nullptr;
}

void check_untouched(const Accumulators &busy, const Site &site) {
  for (size_t i = 0; i < busy.values.size(); ++i)
    if (busy.registers[i] != kPoison)
      stop(Fault::protocol, site, "accumulator %zu was written while a wgmma on it was in flight", i);
}

/// Moves a lane's accumulators out of its registers, unless they are in flight already.
void occupy(Warpgroup &group, const Thread &thread, const Product &product, uint32_t *registers, size_t index,
            const Site &site) {
  WarpgroupLane &lane = group.lanes[number(thread)];
  size_t count = product.columns / 2;
  Accumulators *busy = find(lane.busy, registers);
  if (busy != nullptr) {
    if (busy->values.size() != count)
      stop(Fault::protocol, site,
           "a wgmma with other accumulators than the one in flight, without a wait between them");
    check_untouched(*busy, site);
    busy->last = index;
    return;
  }
  const Warpgroup::WarpState &warp = group.warps[thread.warp->index % kWarpgroupWarps];
  const Accumulators *settled = find(lane.settled, registers);
  bool touched = settled == nullptr || settled->values.size() != count ||
                 std::memcmp(settled->values.data(), registers, 4 * count) != 0;
  if (!warp.ever_fenced || (touched && !warp.fenced))
    stop(Fault::protocol, site, "wgmma without a wgmma.fence after its accumulators were last written");
  lane.busy.push_back(Accumulators{registers, {registers, registers + count}, index});
  std::fill(registers, registers + count, kPoison);
}

void execute_until(Warpgroup &group, size_t end) {
  for (; group.executed < end; ++group.executed) {
    Issued &issued = *group.products[group.executed];
    uint32_t *values[kWarpgroupThreads];
    for (unsigned t = 0; t < kWarpgroupThreads; ++t)
      values[t] = find(group.lanes[t].busy, issued.registers[t])->values.data();
    multiply(issued, Engine::get().asynchrony().target(Agent{issued.agent, issued.time}), values);
    issued.executed = true;
    issued.a.clear();
    Engine::get().asynchrony().finish(Agent{issued.agent, issued.time});
  }
}

/// All four warps have issued the product: its operands may be read from now on.
void launch(Warpgroup &group, Issued &issued, const Warp &warp) {
  Engine &engine = Engine::get();
  Agent agent = engine.asynchrony().start("wgmma", warp.block, false, issued.site);
  issued.agent = agent.id;
  issued.time = agent.time;
  const Thread *first = warp.block->threads + warp.index / kWarpgroupWarps * kWarpgroupThreads;
  Knowledge common = known_to_all(first, kWarpgroupThreads);
  Accessor accessor{agent.id, agent.time, agent.id, &common, true, issued.site, "wgmma"};
  for_operand_chunks(issued,
                     [&](uint32_t address) { warp.block->shared->access(accessor, Access::read, address, 16); });
  size_t end = ++group.issued;
  engine.after(engine.random().delay(kDelayMagnitude), [&group, end] { execute_until(group, end); });
  for (Thread *thread : group.waiting)
    engine.wake(*thread);
  group.waiting.clear();
}

void complete_issue(Meeting &meeting) {
  const Warp &warp = *meeting.warp;
  Warpgroup &group = group_of(warp);
  Warpgroup::WarpState &state = warp_state(warp);
  const Product &product = *meeting.operand<ProductOperand>(0).product;
  size_t index = state.issued++;
  if (index == group.products.size()) {
    group.products.push_back(std::make_unique<Issued>());
    group.products.back()->product = product;
    group.products.back()->site = meeting.site;
    if (product.a_in_registers)
      group.products.back()->a.resize(4 * kWarpgroupThreads);
  }
  Issued &issued = *group.products[index];
  for (unsigned lane = 0; lane < kWarpSize; ++lane) {
    const auto &operand = meeting.operand<ProductOperand>(lane);
    if (*operand.product != issued.product)
      stop(Fault::divergence, meeting.site, "wgmma with other descriptors or forms in the warps of a warpgroup (at %s)",
           place(issued.site).c_str());
    const Thread &thread = meeting.thread(lane);
    occupy(group, thread, product, operand.registers, index, meeting.site);
    issued.registers[number(thread)] = operand.registers;
    if (product.a_in_registers)
      std::copy(operand.a, operand.a + 4, issued.a.begin() + 4 * number(thread));
  }
  issued.warps |= 1u << warp.index % kWarpgroupWarps;
  if (issued.warps == (1u << kWarpgroupWarps) - 1)
    launch(group, issued, warp);
}

void complete_fence(Meeting &meeting) {
  Warpgroup::WarpState &state = warp_state(*meeting.warp);
  state.fenced = state.ever_fenced = true;
}

void complete_commit(Meeting &meeting) {
  Warpgroup::WarpState &state = warp_state(*meeting.warp);
  state.groups.push_back(state.issued);
}

constexpr WarpOp kIssue{"wgmma.mma_async", true, false, complete_issue};
constexpr WarpOp kFence{"wgmma.fence", true, false, complete_fence};
constexpr WarpOp kCommit{"wgmma.commit_group", true, false, complete_commit};
constexpr WarpOp kWait{"wgmma.wait_group", true, false, nullptr};

std::string describe_wait(const Thread &) {
  return "wgmma.wait_group, for products that not all four warps have issued";
}

} // namespace

void wgmma(const Product &product, uint32_t *registers, const uint32_t *a, const Site &site) {
  ProductOperand operand{&product, registers, a};
  meet(kIssue, kAll, &operand, site);
}

void wgmma_fence(const Site &site) {
  meet(kFence, kAll, nullptr, site);
}

void wgmma_commit(const Site &site) {
  meet(kCommit, kAll, nullptr, site);
}

void wgmma_wait(uint32_t newest, const Site &site) {
  Engine &engine = Engine::get();
  engine.maybe_yield();
  meet(kWait, kAll, nullptr, site);
  Thread &thread = *current;
  Warpgroup &group = group_of(*thread.warp);
  Warpgroup::WarpState &warp = warp_state(*thread.warp);
  if (warp.groups.size() <= newest)
    return;
  size_t end = warp.groups[warp.groups.size() - 1 - newest];
  while (group.issued < end) {
    group.waiting.push_back(&thread);
    engine.wait(Wait{describe_wait, site});
  }
  execute_until(group, end);
  warp.fenced = false;
  WarpgroupLane &lane = group.lanes[number(thread)];
  for (; lane.retired < end; ++lane.retired) {
    const Issued &issued = *group.products[lane.retired];
    acquire_agent(thread, Agent{issued.agent, issued.time});
  }
  for (size_t i = lane.busy.size(); i-- > 0;) {
    if (lane.busy[i].last >= end)
      continue;
    Accumulators done = std::move(lane.busy[i]);
    lane.busy.erase(lane.busy.begin() + static_cast<ptrdiff_t>(i));
    check_untouched(done, site);
    std::copy(done.values.begin(), done.values.end(), done.registers);
    if (Accumulators *settled = find(lane.settled, done.registers))
      *settled = std::move(done);
    else
      lane.settled.push_back(std::move(done));
  }
}

void leave_warpgroup(Thread &thread) {
  Warpgroup *group = Engine::get().asynchrony().existing_warpgroup(*thread.warp);
  if (group == nullptr)
    return;
  const WarpgroupLane &lane = group->lanes[number(thread)];
  if (!lane.busy.empty())
    stop(Fault::protocol, group->products[lane.busy.front().last]->site,
         "%s exits without having waited for a wgmma (a wgmma.commit_group or wgmma.wait_group is missing)",
         thread_name(thread).c_str());
}

} // namespace aios::sim

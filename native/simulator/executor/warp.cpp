#include "warp.h"

#include <bit>

#include "report.h"
#include "sync.h"

namespace aios::sim {
namespace {

struct VoteOperand {
  bool predicate;
  Ballot result;
};

struct ShuffleOperand {
  Shuffle kind;
  int argument, width;
  uint64_t bits, result;
};

template <class Act> void for_lanes(uint32_t lanes, Act act) {
  for (; lanes != 0; lanes &= lanes - 1)
    act(static_cast<unsigned>(std::countr_zero(lanes)));
}

void complete_vote(Meeting &meeting) {
  Ballot result{0, meeting.arrived};
  for_lanes(meeting.arrived, [&](unsigned lane) {
    if (meeting.operand<VoteOperand>(lane).predicate)
      result.votes |= 1u << lane;
  });
  for_lanes(meeting.arrived, [&](unsigned lane) { meeting.operand<VoteOperand>(lane).result = result; });
}

/// The lane whose value a shuffle gives: itself where the source would lie outside its segment of `width` lanes.
unsigned source_lane(unsigned lane, const ShuffleOperand &operand) {
  auto width = static_cast<unsigned>(operand.width);
  auto argument = static_cast<unsigned>(operand.argument);
  unsigned first = lane & ~(width - 1), end = first + width;
  unsigned source = lane;
  switch (operand.kind) {
  case Shuffle::index:
    return first + (argument & (width - 1));
  case Shuffle::exclusive_or:
    source = lane ^ argument;
    return source < end ? source : lane;
  case Shuffle::down:
    source = lane + argument;
    return source < end ? source : lane;
  default:
    return lane >= first + argument ? lane - argument : lane;
  }
}

void complete_shuffle(Meeting &meeting) {
  for_lanes(meeting.arrived, [&](unsigned lane) {
    auto &operand = meeting.operand<ShuffleOperand>(lane);
    unsigned source = source_lane(lane, operand);
    if ((meeting.arrived >> source & 1) == 0)
      stop(Fault::divergence, meeting.site, "a shuffle gives lane %u the value of lane %u, which takes no part in it",
           lane, source);
    operand.result = meeting.operand<ShuffleOperand>(source).bits;
  });
}

constexpr WarpOp kSyncWarp{"__syncwarp", false, true, nullptr};

// Lanes meet wherever they are, but only in instructions of one kind: PTX asks for "the same qualifiers". The arrays
// are in the order of WarpVote and Shuffle.
constexpr WarpOp kVotes[] = {
    {"__ballot_sync", false, false, complete_vote},
    {"__any_sync", false, false, complete_vote},
    {"__all_sync", false, false, complete_vote},
};

constexpr WarpOp kShuffles[] = {
    {"__shfl_sync", false, false, complete_shuffle},
    {"__shfl_xor_sync", false, false, complete_shuffle},
    {"__shfl_down_sync", false, false, complete_shuffle},
    {"__shfl_up_sync", false, false, complete_shuffle},
};

// Two instructions each on a device, of which the second would wait for those that have a value of 32 bits.
constexpr WarpOp kWideShuffles[] = {
    {"__shfl_sync of 64 bits", false, false, complete_shuffle},
    {"__shfl_xor_sync of 64 bits", false, false, complete_shuffle},
    {"__shfl_down_sync of 64 bits", false, false, complete_shuffle},
    {"__shfl_up_sync of 64 bits", false, false, complete_shuffle},
};

} // namespace

void sync_warp(uint32_t mask, const Site &site) {
  meet(kSyncWarp, mask, nullptr, site);
}

Ballot vote(WarpVote kind, uint32_t mask, bool predicate, const Site &site) {
  VoteOperand operand{predicate, {}};
  meet(kVotes[static_cast<size_t>(kind)], mask, &operand, site);
  return operand.result;
}

uint64_t shuffle_bits(Shuffle kind, bool wide, uint32_t mask, uint64_t bits, int argument, int width,
                      const Site &site) {
  if (width <= 0 || width > 32 || !std::has_single_bit(static_cast<unsigned>(width)))
    stop(Fault::protocol, site, "a shuffle of width %d, which is not a power of two up to 32", width);
  ShuffleOperand operand{kind, argument, width, bits, 0};
  meet((wide ? kWideShuffles : kShuffles)[static_cast<size_t>(kind)], mask, &operand, site);
  return operand.result;
}

void trap(const Site &site) {
  stop(Fault::protocol, site, "the kernel has stopped itself");
}

} // namespace aios::sim

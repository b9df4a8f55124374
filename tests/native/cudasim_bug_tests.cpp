// What the simulator says of common mistakes: with every seed, what and where; and nothing of the same kernel without
// it.
#include "cudasim_bugs.h"
#include "cudasim_warp_bugs.h"

#include <algorithm>
#include <vector>

using namespace cudasim_test;

namespace {

struct Bug {
  const char *name;
  void (*kernel)(Work);
  unsigned threads;
  unsigned blocks; // in one cluster
  uint32_t shared_bytes;
  std::vector<Fault> faults;
  int lines; // how many of the marked lines every report names
  std::vector<const char *> message;
};

void PrintTo(const Bug &bug, std::ostream *out) {
  *out << bug.name;
}

constexpr const char *kUnordered = "nothing orders the two";

#define BUG(kernel) #kernel, kernel
const Bug kBugs[] = {
    {BUG(sync_missing), 64, 1, 256, {Fault::race, Fault::uninitialised}, 0, {"cudasim_bugs.h:"}},
    {BUG(syncwarp_missing), 32, 1, 128, {Fault::race, Fault::uninitialised}, 0, {"cudasim_warp_bugs.h:"}},
    {BUG(shuffle_as_fence), 32, 1, 128, {Fault::race}, 2, {kUnordered}},
    {BUG(buffer_overwritten), 64, 1, 512, {Fault::race}, 2, {kUnordered}},
    {BUG(barrier_in_branch), 64, 1, 0, {Fault::divergence}, 2, {"__syncthreads in divergent code"}},
    {BUG(barrier_after_exit), 64, 1, 0, {Fault::divergence}, 1, {"__syncthreads", "exited"}},
    {BUG(index_too_large), 64, 1, 256, {Fault::address}, 1, {"4 bytes at offset 256", "thread (63,0,0)"}},
    {BUG(index_negative), 64, 1, 256, {Fault::address}, 1, {"offset -4", "thread (0,0,0)"}},
    {BUG(read_uninitialised), 64, 1, 256, {Fault::uninitialised}, 1, {"offset 28", "nobody has written"}},
    {BUG(counter_read_early), 64, 1, 4, {Fault::race}, 2, {"atomically", kUnordered}},
    {BUG(copy_not_waited), 64, 1, 256, {Fault::race}, 2, {"cp.async of thread", kUnordered}},
    {BUG(copy_waited_by_one_too_few), 64, 1, 512, {Fault::race}, 2, {"cp.async of thread", kUnordered}},
    {BUG(copy_of_another_thread), 64, 1, 256, {Fault::race, Fault::uninitialised}, 0, {"cudasim_bugs.h:"}},
    {BUG(row_misaligned), 32, 1, 256, {Fault::misaligned}, 1, {"ldmatrix", "row 3 of matrix 0", "not aligned to 16"}},
    {BUG(matrix_read_early), 32, 1, 128, {Fault::race}, 2, {"stmatrix of thread", kUnordered}},
    {BUG(shuffle_from_absent_lane), 32, 1, 0, {Fault::divergence}, 1, {"lane 20, which takes no part"}},
    {BUG(shuffle_outside_mask), 32, 1, 0, {Fault::divergence}, 1, {"which the mask leaves out"}},
    {BUG(masks_differ), 32, 1, 0, {Fault::divergence}, 2, {"__ballot_sync", "0x00ffffff", "0xffffff00"}},
    {BUG(lane_never_comes), 64, 1, 0, {Fault::deadlock}, 2, {"__syncwarp", "0x80000000 have not come"}},
    {BUG(vote_beside_syncwarp), 32, 1, 0, {Fault::divergence}, 2, {"__ballot_sync with mask 0x0001ffff", "__syncwarp"}},
    {BUG(shuffle_before_syncwarp), 32, 1, 0, {Fault::divergence}, 2, {"__shfl_xor_sync with mask", "__syncwarp with"}},
    {BUG(vote_and_syncwarp_of_all), 32, 1, 0, {Fault::divergence}, 2, {"__any_sync with mask", "__syncwarp with mask"}},
    {BUG(votes_differ), 32, 1, 0, {Fault::divergence}, 2, {"__any_sync with mask", "__all_sync with mask"}},
    {BUG(ballot_and_any), 32, 1, 0, {Fault::divergence}, 2, {"__ballot_sync with mask", "__any_sync with mask"}},
    {BUG(shuffles_differ), 32, 1, 0, {Fault::divergence}, 2, {"__shfl_down_sync with", "__shfl_up_sync with"}},
    {BUG(shuffles_of_two_sizes), 32, 1, 0, {Fault::divergence}, 2, {"__shfl_xor_sync with", "of 64 bits with"}},
    {BUG(masks_in_a_circle), 32, 1, 0, {Fault::deadlock}, 2, {"0-7 wait in __ballot_sync", "0x0000ff00 have not come"}},
    {BUG(product_in_a_branch), 32, 1, 0, {Fault::divergence}, 2, {"mma.sync must be executed by all lanes"}},
    {BUG(product_beside_a_vote), 32, 1, 0, {Fault::divergence}, 2, {"__ballot_sync with mask", "mma.sync with mask"}},
    {BUG(product_of_those_who_do_not_vote), 32, 1, 0, {Fault::divergence}, 1, {"mma.sync needs all lanes"}},
    {BUG(product_of_half_a_warp), 32, 1, 0, {Fault::divergence}, 1, {"mma.sync needs all lanes"}},
    {BUG(named_counts_differ), 128, 1, 0, {Fault::protocol}, 2, {"barrier 1", "for 64", "for 96"}},
    {BUG(named_barrier_of_others), 64, 1, 0, {Fault::deadlock}, 2, {"barrier 1, where 32 of 64", "barrier 2"}},
    {BUG(named_barrier_by_part_of_a_warp), 128, 1, 0, {Fault::divergence, Fault::deadlock}, 1, {"barrier"}},
    {BUG(wait_before_init), 64, 1, 16, {Fault::protocol}, 1, {"no mbarrier has been initialised"}},
    {BUG(init_twice), 32, 1, 8, {Fault::protocol}, 1, {"where an mbarrier is in use"}},
    {BUG(arrival_skipped), 64, 1, 8, {Fault::deadlock}, 1, {"threads 0-63 wait", "1 of 64 arrivals"}},
    {BUG(too_many_arrivals), 64, 1, 384, {Fault::protocol}, 1, {"more than 1 arrivals in phase 0"}},
    {BUG(load_not_waited), 64, 1, 384, {Fault::race}, 2, {"bulk load of thread (0,0,0)", kUnordered}},
    {BUG(load_in_flight_at_exit), 64, 1, 384, {Fault::protocol}, 1, {"the bulk load may be in flight"}},
    {BUG(load_misaligned), 64, 1, 384, {Fault::misaligned}, 1, {"the source of cp.async.bulk"}},
    {BUG(load_over_unread), 64, 1, 384, {Fault::race}, 2, {"bulk load", kUnordered}},
    {BUG(store_without_fence), 64, 1, 384, {Fault::proxy}, 2, {"bulk store", "without a fence.proxy.async"}},
    {BUG(stored_bytes_overwritten), 64, 1, 384, {Fault::race}, 2, {"bulk store of thread (0,0,0)", kUnordered}},
    {BUG(store_not_committed), 64, 1, 384, {Fault::protocol}, 1, {"exits without having waited for its bulk store"}},
    {BUG(neighbour_read_early), 32, 2, 128, {Fault::race, Fault::uninitialised}, 0, {"cudasim_bugs.h:"}},
    {BUG(cluster_wait_missing), 32, 2, 16, {Fault::protocol}, 0, {"arrive twice without barrier.cluster.wait"}},
    {BUG(accumulator_changed_in_flight), 128, 1, 16384, {Fault::protocol}, 0, {"accumulator 3 was written"}},
    {BUG(descriptors_differ), 128, 1, 16384, {Fault::divergence}, 1, {"wgmma with other descriptors"}},
    {BUG(operand_overwritten), 128, 1, 16384, {Fault::race}, 2, {"wgmma of thread", kUnordered}},
    {BUG(operand_without_fence), 128, 1, 16384, {Fault::proxy}, 2, {"wgmma", "without a fence.proxy.async"}},
};

class Bugs : public testing::TestWithParam<Bug> {
protected:
  Outcome run_with(uint64_t seed, bool planted) {
    const Bug &bug = GetParam();
    Work work{planted, data};
    return sim::run_grid(sim::Launch{.name = bug.name,
                                     .grid = bug.blocks,
                                     .block = bug.threads,
                                     .cluster = bug.blocks,
                                     .shared_bytes = bug.shared_bytes,
                                     .body = [&] { bug.kernel(work); },
                                     .seed = seed});
  }

  alignas(128) float data[1024] = {};
};

TEST_P(Bugs, IsReportedWithEverySeed) {
  const Bug &bug = GetParam();
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    marked[0] = marked[1] = {};
    Outcome outcome = run_with(seed, true);
    const std::string &message = outcome.message;
    EXPECT_NE(std::find(bug.faults.begin(), bug.faults.end(), outcome.fault), bug.faults.end())
        << "seed " << seed << ": " << message;
    EXPECT_NE(message.find(bug.name), std::string::npos) << "the report must name the kernel: " << message;
    for (int n = 0; n < bug.lines; ++n)
      EXPECT_NE(message.find(sim::place(marked[n])), std::string::npos)
          << "line " << marked[n].line() << ", seed " << seed << ": " << message;
    for (const char *text : bug.message)
      EXPECT_NE(message.find(text), std::string::npos) << text << ", seed " << seed << ": " << message;
  }
}

TEST_P(Bugs, CorrectKernelPassesWithEverySeed) {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Outcome outcome = run_with(seed, false);
    EXPECT_TRUE(outcome.ok) << outcome.message;
  }
}

INSTANTIATE_TEST_SUITE_P(All, Bugs, testing::ValuesIn(kBugs), [](const auto &info) { return info.param.name; });

} // namespace

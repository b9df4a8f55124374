// The warp-specialised product: exact with every seed, and what the simulator says of each mistake in it.
#include "cudasim_gemm.h"

#include <algorithm>

using namespace cudasim_test;

namespace {

TEST(WarpSpecialisedGemm, IsExactWithEverySeed) {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    GemmRun result = run_gemm(seed, 128, 64, 320, GemmBug::none);
    ASSERT_TRUE(result.outcome.ok) << result.outcome.message;
    ASSERT_EQ(result.wrong, 0) << "seed " << seed;
  }
}

TEST(WarpSpecialisedGemm, RaggedEdges) {
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    GemmRun result = run_gemm(seed, 200, 88, 168, GemmBug::none);
    ASSERT_TRUE(result.outcome.ok) << result.outcome.message;
    ASSERT_EQ(result.wrong, 0) << "seed " << seed;
  }
}

struct Planted {
  const char *name;
  GemmBug bug;
  int depth;
  /// What may be reported, depending on the schedule; none: only the results are wrong.
  std::vector<Fault> faults;
  /// In every message: what is wrong, and the names of the instructions.
  std::vector<const char *> message;
};

void PrintTo(const Planted &planted, std::ostream *out) {
  *out << planted.name;
}

constexpr int kLong = 328, kShort = 128; // six steps, or fewer than there are stages

const Planted kPlanted[] = {
    {"NoSyncAfterInit",
     GemmBug::no_sync_after_init,
     kLong,
     {Fault::race, Fault::protocol},
     {"mbarrier", "initialised"}},
    {"NoFenceAfterInit", GemmBug::no_fence_after_init, kLong, {Fault::proxy}, {"without a fence.mbarrier_init"}},
    {"ProducerPhase", GemmBug::producer_phase, kLong, {Fault::deadlock}, {"thread 0 waits", "2 of 2 arrivals"}},
    {"ConsumerPhase",
     GemmBug::consumer_phase,
     kLong,
     {Fault::race, Fault::uninitialised, Fault::deadlock},
     {"cudasim_gemm.h:"}},
    {"NoExpect", GemmBug::no_expect, kLong, {Fault::race, Fault::uninitialised}, {"wgmma reads"}},
    {"TooFewBytes", GemmBug::too_few_bytes, kLong, {Fault::protocol, Fault::race}, {"cudasim_gemm.h:"}},
    {"TooManyBytes", GemmBug::too_many_bytes, kLong, {Fault::deadlock}, {"0 of 1 arrivals and 16 bytes to come"}},
    {"ReleaseBeforeWait",
     GemmBug::release_before_wait,
     kLong,
     {Fault::race},
     {"TMA load", "wgmma", "nothing orders the two"}},
    {"EverybodyReleases",
     GemmBug::everybody_releases,
     kLong,
     {Fault::race},
     {"TMA load", "wgmma", "nothing orders the two"}},
    {"OneReleaseTooFew", GemmBug::one_release_too_few, kLong, {Fault::deadlock}, {"thread 0 waits", "1 of 2 arrivals"}},
    {"OneConsumerCounted",
     GemmBug::one_consumer_counted,
     kLong,
     {Fault::race},
     {"TMA load", "wgmma", "nothing orders the two"}},
    {"NoWgmmaFence", GemmBug::no_wgmma_fence, kLong, {Fault::protocol}, {"without a wgmma.fence"}},
    {"NoCommit", GemmBug::no_commit, kShort, {Fault::protocol}, {"wgmma.commit_group or wgmma.wait_group is missing"}},
    {"NoWait", GemmBug::no_wait, kShort, {Fault::protocol}, {"wgmma.commit_group or wgmma.wait_group is missing"}},
    {"NoWaitManySteps", GemmBug::no_wait, kLong, {Fault::race}, {"TMA load", "wgmma", "nothing orders the two"}},
    {"EarlyRead", GemmBug::early_read, kLong, {}, {}}, // accumulators are NaN
    {"MisalignedStage", GemmBug::misaligned_stage, kLong, {Fault::misaligned}, {"descriptor of A", "swizzle pattern"}},
    {"DescriptorStride", GemmBug::descriptor_stride, kLong, {Fault::misaligned}, {"descriptor of A", "512 bytes"}},
    {"NoProxyFence",
     GemmBug::no_proxy_fence,
     kLong,
     {Fault::proxy},
     {"TMA store reads", "without a fence.proxy.async"}},
    {"NoBarrierBeforeStore",
     GemmBug::no_barrier_before_store,
     kLong,
     {Fault::race, Fault::uninitialised},
     {"TMA store reads"}},
    {"WrongBarrierCount", GemmBug::wrong_barrier_count, kLong, {Fault::deadlock}, {"128 of 160 threads have arrived"}},
    {"NoBulkWait", GemmBug::no_bulk_wait, kLong, {Fault::protocol}, {"exits without having waited for its TMA store"}},
    {"OutputOverStage", GemmBug::output_over_stage, kLong, {Fault::race}, {"stmatrix writes", "wgmma of"}},
    {"NoSwizzle", GemmBug::no_swizzle, kLong, {}, {}},              // a permuted result
    {"TileOffByOne", GemmBug::tile_off_by_one, kLong, {}, {}},      // another product
    {"LastTileMissing", GemmBug::last_tile_missing, kLong, {}, {}}, // a part of the product
};

class GemmBugs : public testing::TestWithParam<Planted> {};

TEST_P(GemmBugs, IsCaughtWithEverySeed) {
  const Planted &planted = GetParam();
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    GemmRun result = run_gemm(seed, 128, 64, planted.depth, planted.bug);
    const std::string &message = result.outcome.message;
    if (planted.faults.empty()) { // only a comparison of the results shows it
      ASSERT_TRUE(result.outcome.ok) << message;
      EXPECT_GT(result.wrong, 0) << "seed " << seed;
      continue;
    }
    EXPECT_NE(std::find(planted.faults.begin(), planted.faults.end(), result.outcome.fault), planted.faults.end())
        << "seed " << seed << ": " << message;
    EXPECT_NE(message.find("cudasim_gemm.h:"), std::string::npos) << message;
    for (const char *text : planted.message)
      EXPECT_NE(message.find(text), std::string::npos) << message;
  }
}

INSTANTIATE_TEST_SUITE_P(All, GemmBugs, testing::ValuesIn(kPlanted), [](const auto &info) { return info.param.name; });

} // namespace

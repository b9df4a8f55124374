// Ranges of addresses that memory is put behind and taken from.
#include <cstdint>
#include <cstring>

#include "kernel_test.h"

namespace {

constexpr int64_t kPage = int64_t{2} << 20;

TEST(Range, TakesMemoryOnlyWherePartsAreCommitted) {
  void *range = nullptr;
  const int64_t bytes = int64_t{64} << 30;
  ASSERT_EQ(aios_cpu_reserve(&range, bytes), AIOS_STATUS_OK) << "more than the machine has, but only addresses";
  EXPECT_EQ(reinterpret_cast<uintptr_t>(range) % kPage, 0u);
  char *part = static_cast<char *>(range) + 5 * kPage;
  ASSERT_EQ(aios_cpu_commit(part, 3 * kPage), AIOS_STATUS_OK);
  std::memset(part, 7, 3 * kPage);
  ASSERT_EQ(aios_cpu_decommit(part + kPage, kPage), AIOS_STATUS_OK);
  EXPECT_EQ(part[kPage - 1], 7) << "the neighbours keep what they hold";
  EXPECT_EQ(part[2 * kPage], 7);
  ASSERT_EQ(aios_cpu_commit(part + kPage, kPage), AIOS_STATUS_OK);
  EXPECT_EQ(part[kPage], 0) << "the old memory went back to the system";
  EXPECT_EQ(aios_cpu_release(range, bytes), AIOS_STATUS_OK);
}

TEST(RangeDeathTest, TouchingWhatIsNotCommittedEndsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  void *range = nullptr;
  ASSERT_EQ(aios_cpu_reserve(&range, 4 * kPage), AIOS_STATUS_OK);
  ASSERT_EQ(aios_cpu_commit(range, kPage), AIOS_STATUS_OK);
  ASSERT_EQ(aios_cpu_decommit(range, kPage), AIOS_STATUS_OK);
  EXPECT_DEATH(*static_cast<volatile char *>(range) = 1, "");
  EXPECT_EQ(aios_cpu_release(range, 4 * kPage), AIOS_STATUS_OK);
}

TEST(Range, RefusesWhatAreNotWholePages) {
  void *range = nullptr;
  EXPECT_EQ(aios_cpu_reserve(&range, kPage + 4096), AIOS_STATUS_INVALID_ARGUMENT);
  EXPECT_EQ(aios_cpu_reserve(&range, 0), AIOS_STATUS_INVALID_ARGUMENT);
  EXPECT_EQ(aios_cpu_reserve(&range, int64_t{1} << 60), AIOS_STATUS_OUT_OF_MEMORY);
  ASSERT_EQ(aios_cpu_reserve(&range, 2 * kPage), AIOS_STATUS_OK);
  EXPECT_EQ(aios_cpu_commit(static_cast<char *>(range) + 4096, kPage), AIOS_STATUS_INVALID_ARGUMENT);
  EXPECT_EQ(aios_cpu_commit(range, 4096), AIOS_STATUS_INVALID_ARGUMENT);
  EXPECT_EQ(aios_cpu_decommit(range, -kPage), AIOS_STATUS_INVALID_ARGUMENT);
  EXPECT_EQ(aios_cpu_release(range, 2 * kPage), AIOS_STATUS_OK);
  EXPECT_EQ(aios_cpu_release(nullptr, kPage), AIOS_STATUS_OK);
}

TEST(Range, AvailableMemoryIsWithinWhatTheMachineHas) {
  int64_t available = 0;
  aios_cpu_info info;
  ASSERT_EQ(aios_cpu_available_memory(&available), AIOS_STATUS_OK);
  ASSERT_EQ(aios_cpu_get_info(&info), AIOS_STATUS_OK);
  EXPECT_GT(available, 0);
  EXPECT_LE(available, info.memory_bytes);
  EXPECT_EQ(aios_cpu_available_memory(nullptr), AIOS_STATUS_INVALID_ARGUMENT);
}

} // namespace

// The simulator against golden files: those from hardware as far as there are any, and the machinery on files that the
// simulator has written itself.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <unistd.h>

#include "tests/golden/capture/capture.h"

namespace {

/// A folder for a test's files.
class Golden : public testing::Test {
protected:
  void SetUp() override {
    folder = testing::TempDir() + "golden-" + std::to_string(getpid());
    std::filesystem::create_directories(folder);
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  std::string path(const std::string &family) const { return folder + "/" + family + ".golden"; }

  std::string text(const std::string &family) const {
    std::ifstream file(path(family));
    return std::string(std::istreambuf_iterator<char>(file), {});
  }
  void write(const std::string &family, const std::string &content) const {
    std::ofstream(path(family), std::ios::trunc) << content;
  }

  /// Captures a family, changes one character of a result of one case, and replays.
  std::vector<std::string> differences_of_spoiled(const std::string &family, const std::string &name, size_t word,
                                                  size_t character) {
    golden::Device device;
    EXPECT_EQ(golden::capture(device, family, folder), golden::Captured::complete);
    std::string content = text(family);
    size_t at = content.find("result ", content.find("case " + name + "\n"));
    for (size_t i = 0; i < word; ++i)
      at = content.find(' ', at) + 1;
    char &digit = content[at + character];
    digit = digit == '0' ? '1' : '0';
    write(family, content);
    return golden::replay(device, golden::read_archive(path(family)), 1).differences;
  }

  golden::Device device;
  std::string folder;
};

TEST_F(Golden, FilesFromHardware) {
  std::vector<std::string> paths = golden::archives_below(GOLDEN_FILES);
  if (paths.empty())
    GTEST_SKIP() << "no file from hardware has been captured yet (eng/prove.sh golden on a GPU machine writes them)";
  for (const std::string &file : paths) {
    golden::Archive archive = golden::read_archive(file);
    EXPECT_NE(archive.origin.device, device.name()) << file << " was written by the simulator";
    EXPECT_TRUE(archive.complete) << file << " was cut off";
    golden::Replayed replayed = golden::replay(device, archive, 3);
    EXPECT_GT(replayed.agreed, 0u) << file;
    for (const std::string &difference : replayed.differences)
      ADD_FAILURE() << difference;
  }
}

TEST_F(Golden, EveryFamilyIsCapturedAndReplayedWithOtherSchedules) {
  for (const std::string &family : golden::family_names()) {
    ASSERT_EQ(golden::capture(device, family, folder), golden::Captured::complete) << text(family);
    EXPECT_EQ(golden::capture(device, family, folder), golden::Captured::before);
    golden::Archive archive = golden::read_archive(path(family));
    EXPECT_TRUE(archive.complete);
    EXPECT_EQ(archive.origin.device, device.name());
    EXPECT_EQ(archive.origin.capability, 90);
    golden::Replayed replayed = golden::replay(device, archive, 3);
    EXPECT_EQ(replayed.agreed, archive.entries.size());
    EXPECT_EQ(replayed.differences, std::vector<std::string>{});
    EXPECT_EQ(replayed.missing, std::vector<std::string>{});
    EXPECT_LT(std::filesystem::file_size(path(family)), 300'000u);
  }
}

TEST_F(Golden, ASpoiledByteIsNamedByFamilyCaseAndElement) {
  // Word 4 of a result is its elements: eight digits each, the lowest byte first.
  auto differences = differences_of_spoiled("mma", "s8.integers", 4, 8 * 17);
  ASSERT_EQ(differences.size(), 1u);
  EXPECT_NE(differences[0].find("mma/s8.integers: element 17 of 256"), std::string::npos) << differences[0];
  EXPECT_NE(differences[0].find("1 of 256 kept elements differ"), std::string::npos) << differences[0];
}

TEST_F(Golden, ASpoiledHashIsNamedByItsElements) {
  auto differences = differences_of_spoiled("conversions", "decode.bf16", 6, 8 * 3);
  ASSERT_EQ(differences.size(), 1u);
  EXPECT_NE(differences[0].find("conversions/decode.bf16: one of elements 3072 to 4095 of 65536"), std::string::npos)
      << differences[0];
}

TEST_F(Golden, ASpoiledSampleIsBeyondItsTolerance) {
  // The highest digit of the second sample: its sign.
  auto differences = differences_of_spoiled("wgmma", "bf16.n64.kk.swizzle_128.random", 4, 8 + 6);
  ASSERT_EQ(differences.size(), 1u);
  EXPECT_NE(differences[0].find("wgmma/bf16.n64.kk.swizzle_128.random: element 33 of 4096"), std::string::npos)
      << differences[0];
}

TEST_F(Golden, ACutOffFileGoesOnAfterItsLastCase) {
  ASSERT_EQ(golden::capture(device, "copies", folder), golden::Captured::complete);
  std::string whole = text("copies");
  size_t third = whole.find("case ", whole.find("case ", whole.find("case ") + 1) + 1);
  write("copies", whole.substr(0, third + 7)); // within a line
  ASSERT_EQ(golden::capture(device, "copies", folder), golden::Captured::complete);
  EXPECT_EQ(text("copies"), whole);
}

TEST_F(Golden, ACaseThatDidNotEndIsLeftOut) {
  ASSERT_EQ(golden::capture(device, "copies", folder), golden::Captured::complete);
  std::string whole = text("copies");
  write("copies", whole.substr(0, whole.find("result ")));
  ASSERT_EQ(golden::capture(device, "copies", folder), golden::Captured::complete);
  golden::Archive archive = golden::read_archive(path("copies"));
  EXPECT_EQ(archive.entries.at(0).failure, "it was begun and did not end");
  golden::Replayed replayed = golden::replay(device, archive, 1);
  ASSERT_EQ(replayed.differences.size(), 1u);
  EXPECT_NE(replayed.differences[0].find("it was begun and did not end"), std::string::npos);
}

TEST_F(Golden, ADamagedFileIsNamedByItsLine) {
  write("mma", "aios golden 1\nfamily mma\ncase a\nresult u32 2 1 0011223344\n");
  try {
    golden::read_archive(path("mma"));
    FAIL() << "it was read";
  } catch (const std::runtime_error &error) {
    EXPECT_NE(std::string(error.what()).find("mma.golden:4: "), std::string::npos) << error.what();
  }
}

} // namespace

#include "conflicts.h"

#include <algorithm>

namespace aios::sim {
namespace {

constexpr uint32_t kBanks = 32, kWord = 4;

} // namespace

uint32_t extra_passes(std::vector<uint32_t> words) {
  std::sort(words.begin(), words.end());
  words.erase(std::unique(words.begin(), words.end()), words.end());
  uint32_t asked[kBanks] = {}, most = 1;
  for (uint32_t word : words)
    most = std::max(most, ++asked[word % kBanks]);
  return most - 1;
}

void ConflictCounter::note(const Thread &thread, const Site &site, uint32_t offset, uint32_t size) {
  Place &place = places_[Key{thread.warp, site.file_name(), site.line(), site.column()}];
  uint32_t number = place.passed[thread.lane]++;
  if (number >= place.instructions.size())
    place.instructions.resize(number + 1);
  place.instructions[number].offsets[thread.lane] = offset;
  place.instructions[number].sizes[thread.lane] = size;
}

uint64_t ConflictCounter::finish() {
  uint64_t extra = 0;
  for (const auto &[key, place] : places_)
    for (const Instruction &instruction : place.instructions) {
      uint32_t size = *std::max_element(instruction.sizes, instruction.sizes + kWarpSize);
      // Accesses of 8 and 16 bytes are served by halves and quarters of the warp.
      uint32_t lanes = kWarpSize / std::max(1u, size / kWord);
      for (uint32_t first = 0; first < kWarpSize; first += lanes) {
        std::vector<uint32_t> words;
        for (uint32_t lane = first; lane < first + lanes; ++lane)
          for (uint32_t byte = 0; byte < instruction.sizes[lane]; byte += kWord)
            words.push_back((instruction.offsets[lane] + byte) / kWord);
        extra += extra_passes(std::move(words));
      }
    }
  places_.clear();
  return extra;
}

} // namespace aios::sim

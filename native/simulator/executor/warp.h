// Shuffles, votes and barriers as kernels call them.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "types.h"

namespace aios::sim {

enum class Shuffle : uint8_t { index, exclusive_or, down, up };

enum class WarpVote : uint8_t { ballot, any, all };

struct Ballot {
  uint32_t votes; ///< lanes whose predicate holds
  uint32_t lanes; ///< lanes that have taken part
};

void sync_warp(uint32_t mask, const Site &site);
Ballot vote(WarpVote kind, uint32_t mask, bool predicate, const Site &site);
/// `wide` values have 64 bits, others up to 32.
uint64_t shuffle_bits(Shuffle kind, bool wide, uint32_t mask, uint64_t bits, int argument, int width, const Site &site);

template <class T> T shuffle(Shuffle kind, uint32_t mask, T value, int argument, int width, const Site &site) {
  static_assert(std::is_trivially_copyable_v<T> && (sizeof(T) == 2 || sizeof(T) == 4 || sizeof(T) == 8));
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  bits = shuffle_bits(kind, sizeof value == 8, mask, bits, argument, width, site);
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

/// How the threads of a block combine a predicate at a barrier.
enum class Vote : uint8_t { none, count, all, any };

/// __syncthreads and its kin: every thread of the block, at the same place in the source.
int sync_block(Vote vote, int predicate, const Site &site);

/// The kernel stops itself.
[[noreturn]] void trap(const Site &site);

} // namespace aios::sim

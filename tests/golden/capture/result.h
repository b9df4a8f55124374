// Results of a case: as they are computed, as a file keeps them, and how the two compare.
#pragma once

#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

namespace golden {

enum class Number : uint8_t { u8, u16, u32, u64, f32 };

size_t size_of(Number number);
const char *name_of(Number number);

template <class T> constexpr Number number_of() {
  if constexpr (std::is_same_v<T, float>)
    return Number::f32;
  else
    return sizeof(T) == 1 ? Number::u8 : sizeof(T) == 2 ? Number::u16 : sizeof(T) == 4 ? Number::u32 : Number::u64;
}

struct Result {
  Number number;
  double tolerance; // 0: the same bits
  std::vector<unsigned char> bytes;

  size_t count() const { return bytes.size() / size_of(number); }
};

/// Makes all NaN of binary32 the same.
Result make_result(Number number, std::vector<unsigned char> bytes, double tolerance);

/// What is kept of a result. Small ones: every element. Large ones that must agree bit for bit: the first elements, and
/// a hash of each of at most 64 blocks. Large ones with a tolerance: every n-th element.
struct Kept {
  Number number = Number::u8;
  uint64_t count = 0; // elements of the result
  uint64_t step = 1;  // between the elements that are kept
  std::vector<unsigned char> elements;
  uint64_t block = 0; // elements of a block; 0 without hashes
  std::vector<uint32_t> hashes;
};

Kept keep(const Result &result);

/// Which elements differ and how, or "" when the result agrees with what was kept. `kept` and `now` are words for the
/// two, such as "NVIDIA H200" and "the simulator".
std::string difference(const Kept &kept, const Result &result, const std::string &old, const std::string &now);

} // namespace golden

// Inputs: splitmix64 (Steele, Lea, Flood, doi:10.1145/2660193.2660195) on a counter that begins at a hash of a name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace golden {

/// FNV-1a of 32 bits, continued from another hash.
inline uint32_t hash(const void *bytes, size_t count, uint32_t before = 0) {
  uint32_t value = 0x811C9DC5u ^ before;
  for (size_t i = 0; i < count; ++i)
    value = (value ^ static_cast<const unsigned char *>(bytes)[i]) * 0x01000193u;
  return value;
}

class Random {
public:
  explicit Random(const std::string &name) : state_(uint64_t{hash(name.data(), name.size())} << 32) {}

  uint64_t next() {
    uint64_t z = state_ += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
  }
  uint32_t bits() { return static_cast<uint32_t>(next() >> 32); }
  uint32_t below(uint32_t bound) { return static_cast<uint32_t>((uint64_t{bits()} * bound) >> 32); }
  int between(int first, int last) { return first + static_cast<int>(below(static_cast<uint32_t>(last - first + 1))); }
  /// A multiple of 2^-23 from -1 up to but not 1.
  float unit() { return (static_cast<float>(next() >> 40) - 0x1p23f) * 0x1p-23f; }

  template <class T> std::vector<T> values(size_t count) {
    std::vector<T> result(count);
    for (T &value : result)
      value = static_cast<T>(next());
    return result;
  }

private:
  uint64_t state_;
};

} // namespace golden

// What the native tests share: streams that end with their scope, element types, and buffers of exactly their size.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "aios_cpu.h"
#include "aios_kernels.h"
#include "launch.h"

namespace aios::test {

/// A stream that is destroyed with the test.
class TestStream {
public:
  TestStream() { EXPECT_EQ(aios_cpu_stream_create(&stream_), AIOS_STATUS_OK); }
  ~TestStream() { EXPECT_EQ(aios_cpu_stream_destroy(stream_), AIOS_STATUS_OK); }
  TestStream(const TestStream &) = delete;
  TestStream &operator=(const TestStream &) = delete;
  operator aios_stream() const { return stream_; }
  aios_status synchronize() const { return aios_cpu_stream_synchronize(stream_); }

private:
  aios_stream stream_ = nullptr;
};

/// Sets the number of workers for a scope.
class Threads {
public:
  explicit Threads(int count) : before_(aios::pool_threads()) {
    EXPECT_EQ(aios_cpu_set_threads(count), AIOS_STATUS_OK);
  }
  ~Threads() { EXPECT_EQ(aios_cpu_set_threads(before_), AIOS_STATUS_OK); }

private:
  int before_;
};

/// Storage of bfloat16.
struct Bf16 {
  uint16_t bits;
};

inline double value_of(float x) {
  return static_cast<double>(x);
}
inline double value_of(Bf16 x) {
  const uint32_t bits = static_cast<uint32_t>(x.bits) << 16;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return static_cast<double>(value);
}

inline void assign(float &to, double value) {
  to = static_cast<float>(value);
}
inline void assign(Bf16 &to, double value) {
  const auto narrow = static_cast<float>(value);
  uint32_t bits;
  std::memcpy(&bits, &narrow, sizeof bits);
  to.bits = static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

template <class T> constexpr aios_dtype kDtype = AIOS_DTYPE_F32;
template <> inline constexpr aios_dtype kDtype<Bf16> = AIOS_DTYPE_BF16;

/// Half a unit in the last place, relative.
template <class T> constexpr double kRounding = 0x1p-24;
template <> inline constexpr double kRounding<Bf16> = 0x1p-8;

/// A heap block of exactly `size` elements, so that the address sanitizer sees the first one beyond it.
template <class T> class Buffer {
public:
  explicit Buffer(int64_t size) : size_(size), data_(new T[static_cast<size_t>(size)]) {}
  T *data() const { return data_.get(); }
  int64_t size() const { return size_; }
  T &operator[](int64_t i) const { return data_[static_cast<size_t>(i)]; }
  void copy_from(const Buffer &other) const {
    std::memcpy(data(), other.data(), static_cast<size_t>(size_) * sizeof(T));
  }
  bool same_bits(const Buffer &other) const {
    return std::memcmp(data(), other.data(), static_cast<size_t>(size_) * sizeof(T)) == 0;
  }

private:
  int64_t size_;
  std::unique_ptr<T[]> data_;
};

/// A small generator; the same numbers everywhere.
class Random {
public:
  explicit Random(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15u + 1) {}
  uint32_t next() {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<uint32_t>(state_ >> 33);
  }
  int64_t below(int64_t bound) { return static_cast<int64_t>(next() % static_cast<uint64_t>(bound)); }
  double uniform() { return next() * 0x1p-30 - 1.0; } // -1 to 1

private:
  uint64_t state_;
};

/// Fills with integers of -`limit` .. `limit`, or with reals of -1 .. 1 when it is 0.
template <class T> void fill(const Buffer<T> &buffer, Random &random, int limit = 0) {
  for (int64_t i = 0; i < buffer.size(); ++i)
    assign(buffer[i], limit == 0 ? random.uniform() : static_cast<double>(random.below(2 * limit + 1) - limit));
}

/// Scratch memory of an op: 64-byte aligned, exactly `bytes`, so that the address sanitizer sees its end.
class Workspace {
public:
  explicit Workspace(int64_t bytes)
      : bytes_(bytes), block_(new (std::align_val_t{64}) char[static_cast<size_t>(bytes)]) {
    EXPECT_GE(bytes, 0);
    std::memset(block_, 0xff, static_cast<size_t>(bytes)); // NaN: nothing may count on what it holds
  }
  ~Workspace() { ::operator delete[](block_, std::align_val_t{64}); }
  Workspace(const Workspace &) = delete;
  Workspace &operator=(const Workspace &) = delete;
  void *data() const { return block_; }
  int64_t bytes() const { return bytes_; }

private:
  int64_t bytes_;
  char *block_;
};

} // namespace aios::test

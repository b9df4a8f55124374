// Support of the kernel tests: buffers of exactly the size an op may touch (so that AddressSanitizer sees one element
// more), values that exercise rounding or are exact, comparison with a double, and a stream that ends with the test.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "aios_cpu.h"
#include "aios_kernels.h"
#include "launch.h"

namespace kernel_test {

/// Storage of bfloat16, converted by arithmetic that has nothing to do with the kernels'.
struct Bf16 {
  uint16_t bits = 0;
  Bf16() = default;
  Bf16(double value) { // NOLINT: stands for a number
    if (std::isnan(value)) {
      bits = 0x7fc0;
      return;
    }
    const float f = static_cast<float>(value);
    uint32_t u;
    std::memcpy(&u, &f, sizeof u);
    const uint32_t rest = u & 0xffffu;
    u >>= 16;
    if (rest > 0x8000u || (rest == 0x8000u && (u & 1u)))
      u++;
    bits = static_cast<uint16_t>(u);
  }
  operator double() const {
    const uint32_t u = static_cast<uint32_t>(bits) << 16;
    float f;
    std::memcpy(&f, &u, sizeof f);
    return f;
  }
};

template <class T> struct Type;
template <> struct Type<float> {
  static constexpr aios_dtype dtype = AIOS_DTYPE_F32;
  static constexpr double rounding = 0; // of a result, beyond that of the arithmetic
};
template <> struct Type<Bf16> {
  static constexpr aios_dtype dtype = AIOS_DTYPE_BF16;
  static constexpr double rounding = 0x1p-8;
};

/// A heap block of exactly n elements.
template <class T> class Buffer {
public:
  explicit Buffer(int64_t n) : n_(n), data_(new T[static_cast<size_t>(n)]()) {}
  Buffer(int64_t n, double value) : Buffer(n) {
    for (int64_t i = 0; i < n; i++)
      data_[i] = static_cast<T>(value);
  }
  Buffer(Buffer &&) = default;
  Buffer &operator=(Buffer &&) = default;
  Buffer(const Buffer &other) : Buffer(other.n_) { std::memcpy(data_.get(), other.data_.get(), other.bytes()); }
  T *data() { return data_.get(); }
  const T *data() const { return data_.get(); }
  int64_t size() const { return n_; }
  size_t bytes() const { return sizeof(T) * static_cast<size_t>(n_); }
  T &operator[](int64_t i) { return data_[i]; }
  const T &operator[](int64_t i) const { return data_[i]; }
  bool same_bits(const Buffer &other) const {
    return n_ == other.n_ && std::memcmp(data_.get(), other.data_.get(), bytes()) == 0;
  }

private:
  int64_t n_;
  std::unique_ptr<T[]> data_;
};

/// Scratch memory of an op: 64-byte aligned, exactly as long as asked for. It starts as NaN: nothing may count on what
/// it holds.
class Workspace {
public:
  explicit Workspace(int64_t bytes) : bytes_(bytes) {
    EXPECT_GE(bytes, 0) << aios_last_error();
    block_ = static_cast<char *>(::operator new[](static_cast<size_t>(bytes), std::align_val_t{64}));
    std::memset(block_, 0xff, static_cast<size_t>(bytes));
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

/// splitmix64: the same numbers everywhere.
class Random {
public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t bits() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  double uniform(double low, double high) { return low + (high - low) * static_cast<double>(bits() >> 11) * 0x1p-53; }
  int64_t below(int64_t n) { return static_cast<int64_t>(bits() % static_cast<uint64_t>(n)); }
  template <class T> Buffer<T> buffer(int64_t n, double low = -2.0, double high = 2.0) {
    Buffer<T> b(n);
    for (int64_t i = 0; i < n; i++)
      b[i] = static_cast<T>(static_cast<float>(uniform(low, high)));
    return b;
  }
  /// Reals of -1 .. 1, or integers up to `most` unless that is 0.
  template <class T> Buffer<T> values(int64_t n, int64_t most = 0) {
    return most == 0 ? buffer<T>(n, -1.0, 1.0) : integers<T>(n, most);
  }
  /// Small integers, with which sums and products are exact.
  template <class T> Buffer<T> integers(int64_t n, int64_t most = 4) {
    Buffer<T> b(n);
    for (int64_t i = 0; i < n; i++)
      b[i] = static_cast<T>(static_cast<double>(below(2 * most + 1) - most));
    return b;
  }

private:
  uint64_t state_;
};

/// A stream that is destroyed with the test.
class Stream {
public:
  explicit Stream(int32_t priority = AIOS_CPU_PRIORITY_NORMAL) {
    EXPECT_EQ(aios_cpu_stream_create(&stream_, priority), AIOS_STATUS_OK);
  }
  ~Stream() { aios_cpu_stream_destroy(stream_); }
  Stream(const Stream &) = delete;
  Stream &operator=(const Stream &) = delete;
  operator aios_stream() const { return stream_; }
  aios_status synchronize() const { return aios_cpu_stream_synchronize(stream_); }
  /// Expects that the launch and its execution succeed.
  void run(aios_status launched) const {
    ASSERT_EQ(launched, AIOS_STATUS_OK) << aios_last_error();
    ASSERT_EQ(aios_cpu_stream_synchronize(stream_), AIOS_STATUS_OK) << aios_last_error();
  }
  /// Expects that the launch succeeds and the execution fails with this text.
  void run_failing(aios_status launched, const std::string &text) const {
    ASSERT_EQ(launched, AIOS_STATUS_OK) << aios_last_error();
    EXPECT_EQ(aios_cpu_stream_synchronize(stream_), AIOS_STATUS_EXECUTION_FAILED);
    EXPECT_NE(std::string(aios_last_error()).find(text), std::string::npos) << aios_last_error();
  }

private:
  aios_stream stream_ = nullptr;
};

/// Expects that a launch is refused with this status and text.
inline void expect_refused(aios_status launched, aios_status status, const std::string &text) {
  EXPECT_EQ(launched, status);
  EXPECT_NE(std::string(aios_last_error()).find(text), std::string::npos) << aios_last_error();
}

/// Sets the number of workers and restores it.
class Threads {
public:
  explicit Threads(int count) : before_(aios::pool_threads()) { aios_cpu_set_threads(count); }
  ~Threads() { aios_cpu_set_threads(before_); }

private:
  int before_;
};

/// |actual - expected| <= units * 2^-24 * max(|expected|, scale), and one rounding to T more: arithmetic is in binary32
/// for every type. NaN and infinities must agree.
template <class T> void expect_close(const T &actual, double expected, double units, double scale = 0.0) {
  const double a = static_cast<double>(actual);
  if (std::isnan(expected)) {
    EXPECT_TRUE(std::isnan(a)) << a;
    return;
  }
  if (std::isinf(expected) || std::isinf(a)) {
    EXPECT_EQ(a, static_cast<double>(static_cast<T>(expected)));
    return;
  }
  const double bound = units * 0x1p-24 * std::max(std::fabs(expected), scale) +
                       Type<T>::rounding * std::fabs(expected) * 1.0001 + 1.5e-45;
  EXPECT_LE(std::fabs(a - expected), bound) << "actual " << a << " expected " << expected;
}

template <class T> class ByType : public testing::Test {};
using FloatTypes = testing::Types<float, Bf16>;

/// The sizes at which vector loops and tiles change path.
inline const std::vector<int64_t> &ragged_sizes() {
  static const std::vector<int64_t> sizes = [] {
    std::vector<int64_t> s;
    for (int64_t n = 0; n <= 70; n++)
      s.push_back(n);
    for (int64_t n : {127, 128, 129, 255, 256, 257, 511, 512, 513, 1023, 1025})
      s.push_back(n);
    return s;
  }();
  return sizes;
}

} // namespace kernel_test

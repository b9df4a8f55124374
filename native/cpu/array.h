// A growing array for code without exceptions: an append that finds no memory says so.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <type_traits>
#include <utility>

namespace aios::cpu {

template <class T> class Array {
  static_assert(std::is_trivially_copyable_v<T>, "elements move by realloc");

public:
  Array() = default;
  Array(Array &&other) noexcept { swap(other); }
  Array &operator=(Array &&other) noexcept {
    swap(other);
    return *this;
  }
  ~Array() { std::free(data_); }

  bool push(const T &value) {
    if (size_ == capacity_) {
      const size_t capacity = capacity_ == 0 ? 8 : 2 * capacity_;
      void *grown = std::realloc(static_cast<void *>(data_), capacity * sizeof(T));
      if (grown == nullptr)
        return false;
      data_ = static_cast<T *>(grown);
      capacity_ = capacity;
    }
    data_[size_++] = value;
    return true;
  }
  bool append(const Array &other) {
    for (const T &value : other)
      if (!push(value))
        return false;
    return true;
  }
  void clear() { size_ = 0; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T &operator[](size_t index) { return data_[index]; }
  const T &operator[](size_t index) const { return data_[index]; }
  T &back() { return data_[size_ - 1]; }
  T *begin() { return data_; }
  T *end() { return data_ + size_; }
  const T *begin() const { return data_; }
  const T *end() const { return data_ + size_; }

private:
  void swap(Array &other) {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
  }

  T *data_ = nullptr;
  size_t size_ = 0, capacity_ = 0;
};

} // namespace aios::cpu

// Shared memory as kernels see it on the host: an accessor whose loads and stores are checked.
#pragma once

#include <concepts>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "types.h"

namespace aios::sim {

/// Plain accesses of the current thread to its block's shared memory; `offset` counts from the window's first byte.
void load_shared(int64_t offset, uint32_t size, void *value, const Site &site);
void store_shared(int64_t offset, uint32_t size, const void *value, const Site &site);

/// The memory on which an atomic operation of the current thread works; it cannot be interrupted until it returns.
void *begin_atomic_shared(int64_t offset, uint32_t size, const Site &site);

/// An index that remembers where it was written.
struct Index {
  int64_t value;
  Site site;

  template <std::integral I>
  constexpr Index(I value_, Site site_ = Site::current()) : value(static_cast<int64_t>(value_)), site(site_) {}
};

/// An array of T at an offset of the block's shared memory.
template <class T> class Shared {
  static_assert(std::is_trivially_copyable_v<T>);

public:
  /// An element: reading and assigning it are the accesses. It cannot be kept (`auto x = tile[i]` is a reference under
  /// nvcc and would read late here), so only what is used at once compiles.
  class Element {
  public:
    Element(const Element &) = delete;
    operator T() && { return load(); }
    T operator=(T value) && {
      store_shared(offset_, sizeof(T), &value, site_);
      return value;
    }
    T operator=(Element &&other) && { return std::move(*this) = other.load(); }
    T operator+=(T value) && { return std::move(*this) = static_cast<T>(load() + value); }
    T operator-=(T value) && { return std::move(*this) = static_cast<T>(load() - value); }
    T operator*=(T value) && { return std::move(*this) = static_cast<T>(load() * value); }

  private:
    friend class Shared;
    Element(int64_t offset, const Site &site) : offset_(offset), site_(site) {}
    T load() const {
      T value;
      load_shared(offset_, sizeof(T), &value, site_);
      return value;
    }
    int64_t offset_;
    Site site_;
  };

  constexpr explicit Shared(uint32_t offset) : offset_(offset) {}

  Element operator[](Index index) const {
    return Element(offset_ + index.value * static_cast<int64_t>(sizeof(T)), index.site);
  }
  constexpr Shared operator+(int64_t elements) const {
    return Shared(static_cast<uint32_t>(offset_ + elements * static_cast<int64_t>(sizeof(T))));
  }

  /// The shared address of an element, for PTX.
  constexpr uint32_t address(int64_t index = 0) const {
    return static_cast<uint32_t>(kSharedBase + offset_ + index * static_cast<int64_t>(sizeof(T)));
  }

  T atomic_add(Index index, T value) const {
    return change(index, [value](T old) { return sum(old, value); });
  }
  T atomic_max(Index index, T value) const {
    return change(index, [value](T old) { return old < value ? value : old; });
  }

private:
  template <class Change> T change(Index index, Change how) const {
    void *at = begin_atomic_shared(offset_ + index.value * static_cast<int64_t>(sizeof(T)), sizeof(T), index.site);
    T old, changed;
    std::memcpy(&old, at, sizeof(T));
    changed = how(old);
    std::memcpy(at, &changed, sizeof(T));
    return old;
  }

  int64_t offset_;
};

} // namespace aios::sim

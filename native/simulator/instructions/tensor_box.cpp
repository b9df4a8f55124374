#include "tensor_box.h"

#include <algorithm>
#include <cstring>

#include "formats.h"

namespace aios::sim {
namespace {

template <class T> T combine(T a, T b, Reduction reduction) {
  switch (reduction) {
  case Reduction::add:
    return sum(a, b);
  case Reduction::min:
    return b < a ? b : a;
  case Reduction::max:
    return a < b ? b : a;
  default:
    if constexpr (std::is_integral_v<T>)
      return static_cast<T>(reduction == Reduction::bit_and ? a & b : reduction == Reduction::bit_or ? a | b : a ^ b);
    return a;
  }
}

template <class T> void reduce(unsigned char *to, const unsigned char *from, Reduction reduction) {
  T a, b;
  std::memcpy(&a, to, sizeof a);
  std::memcpy(&b, from, sizeof b);
  a = combine(a, b, reduction);
  std::memcpy(to, &a, sizeof a);
}

template <class Format> void reduce_half(unsigned char *to, const unsigned char *from, Reduction reduction) {
  uint16_t a, b;
  std::memcpy(&a, to, sizeof a);
  std::memcpy(&b, from, sizeof b);
  a = static_cast<uint16_t>(Format::encode(combine(Format::decode(a), Format::decode(b), reduction)));
  std::memcpy(to, &a, sizeof a);
}

void reduce_element(TensorType type, unsigned char *to, const unsigned char *from, Reduction reduction) {
  switch (type) {
  case TensorType::u32:
    return reduce<uint32_t>(to, from, reduction);
  case TensorType::s32:
    return reduce<int32_t>(to, from, reduction);
  case TensorType::u64:
    return reduce<uint64_t>(to, from, reduction);
  case TensorType::s64:
    return reduce<int64_t>(to, from, reduction);
  case TensorType::f16:
    return reduce_half<F16>(to, from, reduction);
  case TensorType::bf16:
    return reduce_half<Bf16>(to, from, reduction);
  default:
    return reduce<float>(to, from, reduction);
  }
}

} // namespace

TensorBox::TensorBox(const TensorMap &map, const int32_t *coordinates) : map_(map), at_{}, rows_(1) {
  std::copy(coordinates, coordinates + map.rank, at_);
  for (int i = 1; i < map.rank; ++i)
    rows_ *= map.box[i];
  row_bytes_ = static_cast<uint32_t>(map.box[0]) * map.element_bytes;
}

const char *TensorBox::check(Reduction reduction) const {
  TensorType type = map_.type;
  bool half = type == TensorType::f16 || type == TensorType::bf16;
  bool integer = type == TensorType::u32 || type == TensorType::s32 || type == TensorType::u64;
  switch (reduction) {
  case Reduction::none:
    return nullptr;
  case Reduction::add:
    return integer || half || type == TensorType::f32 || type == TensorType::f32_ftz ? nullptr
                                                                                     : "addition in the map's type";
  case Reduction::min:
  case Reduction::max:
    return integer || half || type == TensorType::s64 ? nullptr : "minimum or maximum in the map's type";
  default:
    return integer || type == TensorType::s64 ? nullptr : "bitwise operations in the map's type";
  }
}

TensorBox::Row TensorBox::row(uint32_t number) const {
  unsigned char *address = map_.address + static_cast<int64_t>(at_[0]) * map_.element_bytes;
  for (int i = 1; i < map_.rank; ++i) {
    int64_t index = static_cast<int64_t>(at_[i]) + number % map_.box[i];
    number /= map_.box[i];
    if (index < 0 || index >= static_cast<int64_t>(map_.extents[i]))
      return {nullptr};
    address += index * static_cast<int64_t>(map_.strides[i]);
  }
  return {address};
}

bool TensorBox::inside(uint32_t column) const {
  int64_t index = static_cast<int64_t>(at_[0]) + column;
  return index >= 0 && index < static_cast<int64_t>(map_.extents[0]);
}

void TensorBox::fill(unsigned char *element) const {
  std::memset(element, 0, map_.element_bytes);
  if (map_.nan_fill)
    std::memset(element, 0xFF, map_.element_bytes);
}

void TensorBox::load(unsigned char *window, uint32_t address) const {
  uint32_t width = map_.element_bytes;
  for (uint32_t r = 0; r < rows_; ++r) {
    Row source = row(r);
    for (uint32_t column = 0; column < map_.box[0]; ++column) {
      unsigned char *to = window + place(address, r * row_bytes_ + column * width);
      if (source.global != nullptr && inside(column))
        std::memcpy(to, source.global + column * width, width);
      else
        fill(to);
    }
  }
}

std::vector<unsigned char> TensorBox::gather(const unsigned char *window, uint32_t address) const {
  std::vector<unsigned char> bytes(this->bytes());
  for (uint32_t offset = 0; offset < bytes.size(); offset += 16)
    std::memcpy(&bytes[offset], window + place(address, offset), 16);
  return bytes;
}

void TensorBox::store(const unsigned char *bytes, Reduction reduction) const {
  uint32_t width = map_.element_bytes;
  for (uint32_t r = 0; r < rows_; ++r) {
    Row target = row(r);
    for (uint32_t column = 0; target.global != nullptr && column < map_.box[0]; ++column) {
      if (!inside(column))
        continue;
      unsigned char *to = target.global + column * width;
      const unsigned char *from = bytes + r * row_bytes_ + column * width;
      if (reduction == Reduction::none)
        std::memcpy(to, from, width);
      else
        reduce_element(map_.type, to, from, reduction);
    }
  }
}

} // namespace aios::sim

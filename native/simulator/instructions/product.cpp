#include "product.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>

#include "operands.h"

namespace aios::sim {
namespace {

/// The greatest vector that is below all of `own`, where each thread's entry for itself does not count.
Times lower_bound(const Thread *threads, unsigned count, Times Knowledge::*part) {
  struct Holder {
    const Times *times;
    uint32_t first;
    unsigned holders;
  };
  std::vector<Holder> distinct;
  for (unsigned t = 0; t < count; ++t) {
    const Times &times = threads[t].knowledge.*part;
    if (!times)
      return nullptr;
    auto same = std::find_if(distinct.begin(), distinct.end(), [&](const Holder &h) { return *h.times == times; });
    if (same == distinct.end())
      distinct.push_back({&times, threads[t].id, 1});
    else
      ++same->holders;
  }
  if (distinct.size() == 1)
    return *distinct.front().times;
  size_t size = 0;
  for (const Holder &holder : distinct)
    size = std::max(size, (*holder.times)->size());
  auto bound = std::make_shared<std::vector<uint32_t>>(size, ~0u);
  for (const Holder &holder : distinct) {
    const std::vector<uint32_t> &times = **holder.times;
    uint32_t self = holder.holders == 1 ? holder.first : ~0u;
    for (uint32_t i = 0; i < size; ++i)
      if (i != self)
        (*bound)[i] = std::min((*bound)[i], i < times.size() ? times[i] : 0);
  }
  return bound;
}

template <class Number> struct Tiles {
  Number a[64][32];
  Number b[32][256];
};

template <class Number>
void read(const Product &product, SharedWindow &shared, uint64_t bits, bool transposed, uint32_t extent, auto put) {
  Descriptor descriptor(bits, transposed, "an operand", Site{});
  unsigned pack = packed(product.type), width = 4 * pack; // elements in 16 bytes
  uint32_t rows = transposed ? 16 : extent, chunks = transposed ? extent / 8 : 2;
  for (uint32_t row = 0; row < rows; ++row)
    for (uint32_t chunk = 0; chunk < chunks; ++chunk) {
      uint32_t words[4];
      std::memcpy(words, shared.at(descriptor.chunk(row, chunk)), sizeof words);
      for (unsigned e = 0; e < width; ++e) {
        Number value = element<Number>(product.type, words[e / pack], e % pack);
        if (transposed)
          put(chunk * width + e, row, value);
        else
          put(row, chunk * width + e, value);
      }
    }
}

template <class Number> void multiply(const Issued &issued, SharedWindow &shared, uint32_t *const *accumulators) {
  const Product &product = issued.product;
  static thread_local auto tiles = std::make_unique<Tiles<Number>>();
  auto &[a, b] = *tiles;
  unsigned pack = packed(product.type), depth = 8 * pack;
  if (product.a_in_registers) {
    for (unsigned t = 0; t < kWarpgroupThreads; ++t)
      for (unsigned r = 0; r < 4; ++r)
        for (unsigned e = 0; e < pack; ++e)
          a[t / 32 * 16 + t % 32 / 4 + r % 2 * 8][(t % 4 + r / 2 * 4) * pack + e] =
              element<Number>(product.type, issued.a[4 * t + r], e);
  } else {
    read<Number>(product, shared, product.a, product.a_transposed, 64,
                 [&](uint32_t row, uint32_t k, Number value) { a[row][k] = value; });
  }
  read<Number>(product, shared, product.b, product.b_transposed, product.columns,
               [&](uint32_t column, uint32_t k, Number value) { b[k][column] = value; });

  Number sums[256];
  for (unsigned row = 0; row < 64; ++row) {
    unsigned first = row / 16 * 32 + row % 8 * 4, high = row % 16 / 8;
    // Columns 8j + 2q and 8j + 2q + 1 of a row are registers 4j + 2·high and the next of lane q of the row's four.
    auto for_columns = [&](auto act) {
      for (unsigned column = 0; column < product.columns; ++column)
        act(sums[column], accumulators[first + column % 8 / 2][column / 8 * 4 + high * 2 + column % 2]);
    };
    if (product.accumulates)
      for_columns([](Number &sum, uint32_t &bits) { sum = std::bit_cast<Number>(bits); });
    else
      std::fill(sums, sums + product.columns, Number{0});
    for (unsigned k = 0; k < depth; ++k) {
      Number factor = a[row][k];
      for (unsigned column = 0; column < product.columns; ++column)
        sums[column] = accumulate(sums[column], factor, b[k][column]);
    }
    for_columns([](Number &sum, uint32_t &bits) { bits = std::bit_cast<uint32_t>(sum); });
  }
}

} // namespace

Knowledge known_to_all(const Thread *threads, unsigned count) {
  return {lower_bound(threads, count, &Knowledge::seen), lower_bound(threads, count, &Knowledge::fenced)};
}

void multiply(const Issued &issued, SharedWindow &shared, uint32_t *const *accumulators) {
  if (issued.product.type == Operand::s8)
    multiply<int32_t>(issued, shared, accumulators);
  else
    multiply<float>(issued, shared, accumulators);
}

} // namespace aios::sim

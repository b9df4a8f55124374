#include "result.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "random.h"

namespace golden {
namespace {

constexpr size_t kSmall = 1024; // bytes of results that are kept whole
constexpr size_t kHead = 64;    // bytes at the beginning of larger ones
constexpr size_t kBlocks = 64;
constexpr size_t kSamples = 128;

float f32_at(const unsigned char *bytes) {
  float value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

std::string text(Number number, const unsigned char *bytes) {
  uint64_t bits = 0;
  std::memcpy(&bits, bytes, size_of(number));
  char line[64];
  int length = std::snprintf(line, sizeof line, "0x%0*llx", static_cast<int>(2 * size_of(number)),
                             static_cast<unsigned long long>(bits));
  if (number == Number::f32)
    std::snprintf(line + length, sizeof line - static_cast<size_t>(length), " (%.9g)",
                  static_cast<double>(f32_at(bytes)));
  return line;
}

bool equal(Number number, double tolerance, const unsigned char *a, const unsigned char *b) {
  if (std::memcmp(a, b, size_of(number)) == 0)
    return true;
  if (tolerance == 0 || number != Number::f32)
    return false;
  double x = static_cast<double>(f32_at(a)), y = static_cast<double>(f32_at(b));
  return std::isfinite(x) && std::isfinite(y) && std::abs(x - y) <= tolerance;
}

uint32_t hash_of_block(const Result &result, uint64_t block, uint64_t index) {
  size_t size = block * size_of(result.number), begin = index * size;
  return hash(&result.bytes[begin], std::min(size, result.bytes.size() - begin));
}

} // namespace

size_t size_of(Number number) {
  constexpr size_t sizes[] = {1, 2, 4, 8, 4};
  return sizes[static_cast<size_t>(number)];
}

const char *name_of(Number number) {
  constexpr const char *names[] = {"u8", "u16", "u32", "u64", "f32"};
  return names[static_cast<size_t>(number)];
}

Result make_result(Number number, std::vector<unsigned char> bytes, double tolerance) {
  constexpr uint32_t nan = 0x7FFFFFFF; // the tensor cores'
  for (size_t i = 0; number == Number::f32 && i < bytes.size(); i += sizeof nan)
    if (std::isnan(f32_at(&bytes[i])))
      std::memcpy(&bytes[i], &nan, sizeof nan);
  return {number, tolerance, std::move(bytes)};
}

Kept keep(const Result &result) {
  size_t size = size_of(result.number), count = result.count();
  Kept kept{result.number, count, 1, {}, 0, {}};
  if (result.bytes.size() <= kSmall) {
    kept.elements = result.bytes;
  } else if (result.tolerance > 0) {
    kept.step = (count + kSamples - 1) / kSamples | 1; // odd: not always the same column
    for (size_t i = 0; i < count; i += kept.step)
      kept.elements.insert(kept.elements.end(), &result.bytes[i * size], &result.bytes[i * size] + size);
  } else {
    kept.elements.assign(result.bytes.begin(), result.bytes.begin() + kHead);
    kept.block = (count + kBlocks - 1) / kBlocks;
    for (uint64_t i = 0; i * kept.block < count; ++i)
      kept.hashes.push_back(hash_of_block(result, kept.block, i));
  }
  return kept;
}

std::string difference(const Kept &kept, const Result &result, const std::string &old, const std::string &now) {
  size_t size = size_of(result.number);
  if (kept.number != result.number || kept.count != result.count())
    return "the result was " + std::to_string(kept.count) + " elements of " + name_of(kept.number) + " and is " +
           std::to_string(result.count()) + " of " + name_of(result.number);
  size_t wrong = 0, samples = kept.elements.size() / size;
  std::string first;
  for (size_t i = 0; i < samples; ++i) {
    size_t index = i * kept.step;
    const unsigned char *a = &kept.elements[i * size], *b = &result.bytes[index * size];
    if (!equal(result.number, result.tolerance, a, b) && wrong++ == 0)
      first = "element " + std::to_string(index) + " of " + std::to_string(kept.count) + ": " + old + " " +
              text(result.number, a) + ", " + now + " " + text(result.number, b);
  }
  if (wrong > 0)
    return first + "; " + std::to_string(wrong) + " of " + std::to_string(samples) + " kept elements differ";
  for (uint64_t i = 0; i < kept.hashes.size(); ++i)
    if (kept.hashes[i] != hash_of_block(result, kept.block, i)) {
      wrong += 1;
      if (wrong == 1)
        first = "one of elements " + std::to_string(i * kept.block) + " to " +
                std::to_string(std::min<uint64_t>((i + 1) * kept.block, kept.count) - 1) + " of " +
                std::to_string(kept.count);
    }
  return wrong == 0 ? ""
                    : first + ": another hash; " + std::to_string(wrong) + " of " + std::to_string(kept.hashes.size()) +
                          " blocks differ";
}

} // namespace golden

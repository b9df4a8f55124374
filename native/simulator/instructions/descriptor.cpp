#include "descriptor.h"

#include "../executor/report.h"

namespace aios::sim {
namespace {

constexpr uint64_t kDefined = 0xC00E3FFF3FFF3FFFu; // bits that have a meaning

} // namespace

Descriptor::Descriptor(uint64_t bits, bool transposed, const char *name, const Site &site) : transposed_(transposed) {
  auto field = [bits](unsigned shift) { return static_cast<uint32_t>(bits >> shift & 0x3FFF) << 4; };
  start_ = field(0);
  leading_ = field(16);
  stride_ = field(32);
  auto layout = static_cast<unsigned>(bits >> 62);
  swizzle_ = layout == 0 ? Swizzle::none : static_cast<Swizzle>(4 - layout); // 1: 128, 2: 64, 3: 32 bytes
  span_ = 16u << static_cast<unsigned>(swizzle_);
  chunks_ = span_ / 16;
  auto text = static_cast<unsigned long long>(bits);
  if ((bits & ~kDefined) != 0)
    stop(Fault::protocol, site, "the descriptor of %s, 0x%016llx, has reserved bits set", name, text);
  if ((bits >> 49 & 7) != 0)
    stop(Fault::protocol, site, "the descriptor of %s has a base offset, which the simulator does not model", name);
  uint32_t repeat = 8 * span_;
  if (swizzle_ != Swizzle::none && (start_ & (repeat - 128) & 0x380) != 0)
    stop(Fault::misaligned, site,
         "the descriptor of %s starts at 0x%x, in the middle of a swizzle pattern: it must be aligned to %u bytes",
         name, start_, repeat);
  if (swizzle_ != Swizzle::none && (stride_ % repeat != 0 || (transposed && leading_ % repeat != 0)))
    stop(Fault::misaligned, site,
         "the descriptor of %s has strides of %u and %u bytes, but the pattern repeats every %u", name, leading_,
         stride_, repeat);
}

} // namespace aios::sim

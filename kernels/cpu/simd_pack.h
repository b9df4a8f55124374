// Several vectors side by side. Elementary functions are chains of dependent instructions with a latency of four cycles
// and more, and a processor looks only a few chains ahead: a function that is written for a `Pack` issues each step for
// all its vectors before the next step, which keeps the arithmetic units busy.
//
// A function template on V takes a VF or a Pack; both run the same arithmetic, so a result does not depend on which.
// Operands that are VF beside a Pack count for all its vectors.
#pragma once

#include <type_traits>

#include "simd.h"

namespace aios::AIOS_ISA {

/// Vectors of a pack: what the registers hold beside the constants of a function.
constexpr int kPack = W == 16 ? 4 : 2;

struct Pack {
  VF v[kPack];
};

struct PackMask {
  VM v[kPack];
};

/// Lanes of a load or store of a Pack: all of them.
struct Whole {};

template <class... A>
concept OfPack = ((std::is_same_v<A, Pack> || std::is_same_v<A, PackMask>) || ...);

AIOS_INLINE VF part(const Pack &x, int i) {
  return x.v[i];
}
AIOS_INLINE VM part(const PackMask &x, int i) {
  return x.v[i];
}
AIOS_INLINE VF part(VF x, int) {
  return x;
}

/// f of the vectors of the arguments, one after the other.
template <class To = Pack, class F, class... A> AIOS_INLINE To map(const F &f, const A &...a) {
  To result;
#pragma GCC unroll 4
  for (int i = 0; i < kPack; i++)
    result.v[i] = f(part(a, i)...);
  return result;
}

template <class A, class B>
requires OfPack<A, B> AIOS_INLINE Pack operator+(const A &a, const B &b) {
  return map([](VF x, VF y) { return x + y; }, a, b);
}
template <class A, class B>
requires OfPack<A, B> AIOS_INLINE Pack operator-(const A &a, const B &b) {
  return map([](VF x, VF y) { return x - y; }, a, b);
}
template <class A, class B>
requires OfPack<A, B> AIOS_INLINE Pack operator*(const A &a, const B &b) {
  return map([](VF x, VF y) { return x * y; }, a, b);
}
template <class A, class B>
requires OfPack<A, B> AIOS_INLINE Pack operator/(const A &a, const B &b) {
  return map([](VF x, VF y) { return x / y; }, a, b);
}
AIOS_INLINE Pack operator-(const Pack &a) {
  return map([](VF x) { return -x; }, a);
}
template <class A, class B, class C>
requires OfPack<A, B, C> AIOS_INLINE Pack fma(const A &a, const B &b, const C &c) {
  return map([](VF x, VF y, VF z) { return fma(x, y, z); }, a, b, c);
}
template <class A, class B>
requires OfPack<A, B> AIOS_INLINE Pack min(const A &a, const B &b) {
  return map([](VF x, VF y) { return min(x, y); }, a, b);
}
template <class A, class B>
requires OfPack<A, B> AIOS_INLINE Pack max(const A &a, const B &b) {
  return map([](VF x, VF y) { return max(x, y); }, a, b);
}
template <class A, class B>
requires OfPack<A, B> AIOS_INLINE Pack max_nan(const A &a, const B &b) {
  return map([](VF x, VF y) { return max_nan(x, y); }, a, b);
}
template <class A, class B>
requires OfPack<A, B> AIOS_INLINE Pack min_nan(const A &a, const B &b) {
  return map([](VF x, VF y) { return min_nan(x, y); }, a, b);
}
template <class A, class B>
requires OfPack<A, B> AIOS_INLINE PackMask lt(const A &a, const B &b) {
  return map<PackMask>([](VF x, VF y) { return lt(x, y); }, a, b);
}
template <class A, class B>
requires OfPack<A, B> AIOS_INLINE PackMask ge(const A &a, const B &b) {
  return map<PackMask>([](VF x, VF y) { return ge(x, y); }, a, b);
}
template <class A, class B>
requires OfPack<A, B> AIOS_INLINE Pack select(const PackMask &m, const A &yes, const B &no) {
  return map([](VM which, VF x, VF y) { return select(which, x, y); }, m, yes, no);
}
AIOS_INLINE Pack select(const PackMask &m, VF yes, VF no) {
  return map([](VM which, VF x, VF y) { return select(which, x, y); }, m, yes, no);
}
template <class A, class B>
requires OfPack<A, B> AIOS_INLINE Pack copysign(const A &a, const B &b) {
  return map([](VF x, VF y) { return copysign(x, y); }, a, b);
}
template <class A, class B>
requires OfPack<A, B> AIOS_INLINE Pack scale2(const A &a, const B &b) {
  return map([](VF x, VF y) { return scale2(x, y); }, a, b);
}
AIOS_INLINE Pack abs(const Pack &a) {
  return map([](VF x) { return abs(x); }, a);
}
AIOS_INLINE Pack upper_bits(const Pack &a) {
  return map([](VF x) { return upper_bits(x); }, a);
}
AIOS_INLINE Pack sqrt(const Pack &a) {
  return map([](VF x) { return sqrt(x); }, a);
}

/// x in every lane of a V.
template <class V> AIOS_INLINE V spread(VF x) {
  if constexpr (OfPack<V>)
    return map([](VF y) { return y; }, x);
  else
    return x;
}

template <class T> AIOS_INLINE Pack load_pack(const T *p) {
  Pack x;
#pragma GCC unroll 4
  for (int i = 0; i < kPack; i++)
    x.v[i] = load(p + i * W, Full{});
  return x;
}
template <class T> AIOS_INLINE void store_pack(T *p, const Pack &x) {
#pragma GCC unroll 4
  for (int i = 0; i < kPack; i++)
    store(p + i * W, x.v[i], Full{});
}
AIOS_INLINE Pack load(const float *p, Whole) {
  return load_pack(p);
}
AIOS_INLINE Pack load(const bf16 *p, Whole) {
  return load_pack(p);
}
AIOS_INLINE Pack load(const f16 *p, Whole) {
  return load_pack(p);
}
AIOS_INLINE void store(float *p, const Pack &x, Whole) {
  store_pack(p, x);
}
AIOS_INLINE void store(bf16 *p, const Pack &x, Whole) {
  store_pack(p, x);
}
AIOS_INLINE void store(f16 *p, const Pack &x, Whole) {
  store_pack(p, x);
}
/// Stores past the caches; p is aligned to what a vector takes.
template <class T> AIOS_INLINE void stream(T *p, const Pack &x, Whole) {
#pragma GCC unroll 4
  for (int i = 0; i < kPack; i++)
    stream(p + i * W, x.v[i]);
}
template <class T> AIOS_INLINE void stream(T *p, VF x, Full) {
  stream(p, x);
}
template <class T> AIOS_INLINE void stream(T *p, VF x, Tail t) {
  store(p, x, t);
}
AIOS_INLINE Pack replace_rest(const Pack &x, VF, Whole) {
  return x;
}

/// Joins x to `pack`, or a single vector to `rest`.
template <class F> AIOS_INLINE void accumulate_by(const F &f, const Pack &x, Pack &pack, VF &) {
  pack = f(x, pack);
}
template <class F> AIOS_INLINE void accumulate_by(const F &f, VF x, Pack &, VF &rest) {
  rest = f(x, rest);
}

/// Fetches the line of each vector of a pack at p; the address need not be valid.
AIOS_INLINE void fetch(const void *p, Whole) {
#pragma GCC unroll 4
  for (int i = 0; i < kPack; i++)
    __builtin_prefetch(static_cast<const char *>(p) + i * static_cast<int>(sizeof(VF)));
}
template <class Lanes> AIOS_INLINE void fetch(const void *p, Lanes) {
  __builtin_prefetch(p);
}

/// The vectors of a pack joined to one by f, always in the same order.
template <class F> AIOS_INLINE VF fold(const Pack &x, const F &f) {
  VF y = f(x.v[0], x.v[1]);
  if constexpr (kPack == 4)
    y = f(y, f(x.v[2], x.v[3]));
  return y;
}
template <class F> AIOS_INLINE VF fold(VF x, const F &) {
  return x;
}

/// Calls f(i, Whole) for each whole pack of n elements, f(i, Full) for each vector then left, f(i, Tail) for the rest.
template <class F> AIOS_INLINE void for_packs(int64_t n, const F &f) {
  int64_t i = 0;
  for (; i + kPack * W <= n; i += kPack * W)
    f(i, Whole{});
  for (; i + W <= n; i += W)
    f(i, Full{});
  if (i < n)
    f(i, Tail{static_cast<int>(n - i)});
}

} // namespace aios::AIOS_ISA

// What a kernel sees on the host: CUDA's names, in the global namespace as under nvcc, and shared memory through a
// checked accessor. Included by kernels/cuda/launch.cuh only.
#pragma once

#include <bit>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "shared.h"
#include "types.h"
#include "warp.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __grid_constant__

extern constinit thread_local aios::sim::Dim3 threadIdx [[gnu::tls_model("initial-exec")]];
extern constinit thread_local aios::sim::Dim3 blockIdx [[gnu::tls_model("initial-exec")]];
extern constinit thread_local aios::sim::Dim3 blockDim [[gnu::tls_model("initial-exec")]];
extern constinit thread_local aios::sim::Dim3 gridDim [[gnu::tls_model("initial-exec")]];
constexpr int warpSize = aios::sim::kWarpSize;

// ---- vectors ----

struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(8) int2 {
  int x, y;
};
struct alignas(16) int4 {
  int x, y, z, w;
};
struct alignas(8) uint2 {
  unsigned x, y;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
inline float2 make_float2(float x, float y) {
  return {x, y};
}
inline float4 make_float4(float x, float y, float z, float w) {
  return {x, y, z, w};
}
inline int2 make_int2(int x, int y) {
  return {x, y};
}
inline int4 make_int4(int x, int y, int z, int w) {
  return {x, y, z, w};
}
inline uint2 make_uint2(unsigned x, unsigned y) {
  return {x, y};
}
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) {
  return {x, y, z, w};
}

// ---- arithmetic ----

template <class T>
requires std::is_arithmetic_v<T>
constexpr T min(T a, std::type_identity_t<T> b) {
  return b < a ? b : a;
}
template <class T>
requires std::is_arithmetic_v<T>
constexpr T max(T a, std::type_identity_t<T> b) {
  return a < b ? b : a;
}
inline float rsqrtf(float x) {
  return 1.0f / sqrtf(x);
}
/// Sine and cosine of pi x.
inline void sincospi(double x, double *sine, double *cosine) {
  *sine = sin(3.14159265358979323846 * x);
  *cosine = cos(3.14159265358979323846 * x);
}
inline float __expf(float x) {
  return expf(x);
}
inline float __logf(float x) {
  return logf(x);
}
inline float __fdividef(float a, float b) {
  return a / b;
}
inline unsigned __float_as_uint(float x) {
  return std::bit_cast<unsigned>(x);
}
inline int __float_as_int(float x) {
  return std::bit_cast<int>(x);
}
inline float __uint_as_float(unsigned x) {
  return std::bit_cast<float>(x);
}
inline float __int_as_float(int x) {
  return std::bit_cast<float>(x);
}
inline int __popc(unsigned x) {
  return std::popcount(x);
}
inline int __clz(int x) {
  return std::countl_zero(static_cast<unsigned>(x));
}
inline int __ffs(int x) {
  return x == 0 ? 0 : std::countr_zero(static_cast<unsigned>(x)) + 1;
}
inline unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>((static_cast<uint64_t>(a) * b) >> 32);
}

// ---- global memory ----

template <class T> T __ldg(const T *address) {
  return *address;
}
inline void __threadfence_system() {
  // An operation on a word of everybody's: the thread sanitizer knows no fences.
  static uint32_t word = 0;
  __atomic_fetch_add(&word, 0, __ATOMIC_SEQ_CST);
}
inline void __threadfence() {
  __threadfence_system();
}
inline void __threadfence_block() {}
[[noreturn]] inline void __trap(aios::sim::Site site = aios::sim::Site::current()) {
  aios::sim::trap(site);
}

/// Replaces the value at an address by change(value) in one step, and returns what was there.
template <class T, class Change> T aios_sim_atomically(T *address, Change change) {
  T old;
  __atomic_load(address, &old, __ATOMIC_RELAXED);
  for (;;) {
    T wanted = change(old);
    if (__atomic_compare_exchange(address, &old, &wanted, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
      return old;
  }
}
template <class T> T atomicAdd(T *address, std::type_identity_t<T> value) {
  return aios_sim_atomically(address, [value](T old) { return aios::sim::sum(old, value); });
}
template <class T> T atomicMax(T *address, std::type_identity_t<T> value) {
  return aios_sim_atomically(address, [value](T old) { return old < value ? value : old; });
}
template <class T> T atomicMin(T *address, std::type_identity_t<T> value) {
  return aios_sim_atomically(address, [value](T old) { return value < old ? value : old; });
}
template <class T> T atomicOr(T *address, std::type_identity_t<T> value) {
  return aios_sim_atomically(address, [value](T old) { return static_cast<T>(old | value); });
}
template <class T> T atomicAnd(T *address, std::type_identity_t<T> value) {
  return aios_sim_atomically(address, [value](T old) { return static_cast<T>(old & value); });
}
template <class T> T atomicExch(T *address, std::type_identity_t<T> value) {
  return aios_sim_atomically(address, [value](T) { return value; });
}
template <class T> T atomicCAS(T *address, std::type_identity_t<T> compare, std::type_identity_t<T> value) {
  return aios_sim_atomically(address, [=](T old) { return old == compare ? value : old; });
}

// ---- synchronisation ----

inline void __syncthreads(aios::sim::Site site = aios::sim::Site::current()) {
  aios::sim::sync_block(aios::sim::Vote::none, 0, site);
}
inline int __syncthreads_count(int predicate, aios::sim::Site site = aios::sim::Site::current()) {
  return aios::sim::sync_block(aios::sim::Vote::count, predicate, site);
}
inline int __syncthreads_and(int predicate, aios::sim::Site site = aios::sim::Site::current()) {
  return aios::sim::sync_block(aios::sim::Vote::all, predicate, site);
}
inline int __syncthreads_or(int predicate, aios::sim::Site site = aios::sim::Site::current()) {
  return aios::sim::sync_block(aios::sim::Vote::any, predicate, site);
}
inline void __syncwarp(unsigned mask = 0xffffffffu, aios::sim::Site site = aios::sim::Site::current()) {
  aios::sim::sync_warp(mask, site);
}
inline unsigned __ballot_sync(unsigned mask, int predicate, aios::sim::Site site = aios::sim::Site::current()) {
  return aios::sim::vote(aios::sim::WarpVote::ballot, mask, predicate != 0, site).votes;
}
inline int __any_sync(unsigned mask, int predicate, aios::sim::Site site = aios::sim::Site::current()) {
  return aios::sim::vote(aios::sim::WarpVote::any, mask, predicate != 0, site).votes != 0;
}
inline int __all_sync(unsigned mask, int predicate, aios::sim::Site site = aios::sim::Site::current()) {
  aios::sim::Ballot result = aios::sim::vote(aios::sim::WarpVote::all, mask, predicate != 0, site);
  return result.votes == result.lanes;
}

template <class T>
T __shfl_sync(unsigned mask, T value, int lane, int width = warpSize,
              aios::sim::Site site = aios::sim::Site::current()) {
  return aios::sim::shuffle(aios::sim::Shuffle::index, mask, value, lane, width, site);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = warpSize,
                  aios::sim::Site site = aios::sim::Site::current()) {
  return aios::sim::shuffle(aios::sim::Shuffle::exclusive_or, mask, value, lanes, width, site);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = warpSize,
                   aios::sim::Site site = aios::sim::Site::current()) {
  return aios::sim::shuffle(aios::sim::Shuffle::down, mask, value, static_cast<int>(delta), width, site);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = warpSize,
                 aios::sim::Site site = aios::sim::Site::current()) {
  return aios::sim::shuffle(aios::sim::Shuffle::up, mask, value, static_cast<int>(delta), width, site);
}

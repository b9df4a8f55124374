// Numbers as they are stored: bfloat16 and binary16 with conversions to and from binary32 that are the same integer
// arithmetic on the device and on the host, and so the same bits. Rounds to nearest even; a NaN stays a NaN.
#pragma once

#include <cstdint>
#include <cstring>

#include "launch.cuh"

namespace aios::cuda {

struct bf16 {
  uint16_t bits;
};

struct half {
  uint16_t bits;
};

/// The same bits as another type of that size.
template <class To, class From> __host__ __device__ __forceinline__ To bits_as(From from) {
  static_assert(sizeof(To) == sizeof(From), "the types differ in size");
  To to;
  memcpy(&to, &from, sizeof to);
  return to;
}

__host__ __device__ __forceinline__ float to_float(float x) {
  return x;
}

__host__ __device__ __forceinline__ float to_float(bf16 x) {
  return bits_as<float>(static_cast<uint32_t>(x.bits) << 16);
}

__host__ __device__ __forceinline__ float to_float(half x) {
  const uint32_t sign = (x.bits & 0x8000u) << 16, magnitude = x.bits & 0x7fffu;
  if (magnitude >= 0x7c00u) // infinity and NaN
    return bits_as<float>(sign | 0x7f800000u | magnitude << 13);
  // The exponent moved as it is is 112 too small; the product is exact, denormals included.
  return bits_as<float>(sign | bits_as<uint32_t>(bits_as<float>(magnitude << 13) * 0x1p112f));
}

/// x as T, rounded.
template <class T> __host__ __device__ __forceinline__ T from_float(float x);

template <> __host__ __device__ __forceinline__ float from_float<float>(float x) {
  return x;
}

template <> __host__ __device__ __forceinline__ bf16 from_float<bf16>(float x) {
  const uint32_t bits = bits_as<uint32_t>(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u)
    return {static_cast<uint16_t>(bits >> 16 | 0x40u)};
  return {static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16)};
}

template <> __host__ __device__ __forceinline__ half from_float<half>(float x) {
  const uint32_t bits = bits_as<uint32_t>(x), sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7fffffffu;
  uint32_t rounded;
  if (magnitude > 0x7f800000u)
    rounded = 0x7e00u;
  else if (magnitude >= 0x477ff000u) // 65520 and more
    rounded = 0x7c00u;
  else if (magnitude < 0x38800000u) // below 2^-14: a sum with 0.5 has the unit of the denormals in its last place
    rounded = bits_as<uint32_t>(bits_as<float>(magnitude) + 0.5f) - 0x3f000000u;
  else
    rounded = (magnitude - 0x38000000u + 0xfffu + (magnitude >> 13 & 1u)) >> 13;
  return {static_cast<uint16_t>(sign | rounded)};
}

template <class T> __device__ __forceinline__ float load(const T *p) {
  return to_float(*p);
}

template <class T> __device__ __forceinline__ void store(T *p, float x) {
  *p = from_float<T>(x);
}

} // namespace aios::cuda

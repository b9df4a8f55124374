// Cases of conversions from and to binary32: around every kind of tie, at the limits of the format, and special values.
#pragma once

#include "operands.cuh"

namespace golden {

inline float from_bits(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

/// Numbers with every exponent, whose bits below the format's last one are a tie or next to one; then special values.
inline std::vector<float> hard_numbers(Element element, Random &random) {
  int drop = 23 - mantissa_bits(element);
  uint32_t half = 1u << (drop - 1);
  std::vector<float> numbers;
  for (uint32_t exponent = 0; exponent < 255; ++exponent)
    for (uint32_t rest : {half, half - 1, half + 1, random.below(2 * half)}) {
      uint32_t kept = random.below(1u << mantissa_bits(element));
      numbers.push_back(from_bits(random.below(2) << 31 | exponent << 23 | kept << drop | rest));
    }
  // Where the format is subnormal, ties lie at higher bits.
  for (uint32_t exponent :
       {127u - 24, 127u - 20, 127u - 17, 127u - 15, 127u - 14, 127u - 11, 127u - 10, 127u - 9, 127u - 7})
    for (int bit = 12; bit < 24; ++bit)
      for (uint32_t rest : {0u, 1u, ~0u})
        numbers.push_back(from_bits((exponent << 23 | (1u << bit & 0x7FFFFFu)) + rest));
  const uint32_t specials[] = {0x00000000, 0x80000000, 0x7F800000, 0xFF800000, 0x7FC00000, 0xFFC00000, 0x7F800001,
                               0x7FFFFFFF, 0x00000001, 0x807FFFFF, 0x00800000, 0x7F7FFFFF, 0xFF7FFFFF, 0x477FE000,
                               0x477FEFFF, 0x477FF000, 0x43E00000, 0x43E80000, 0x43E80001, 0x43F00000, 0x47600000,
                               0x4767FFFF, 0x47680000, 0x47700000, 0x33000000, 0x33000001, 0x33800000, 0x3A800000,
                               0x3A800001, 0x3B000000, 0x37000000, 0x37000001};
  for (uint32_t bits : specials)
    numbers.push_back(from_bits(bits));
  return numbers;
}

template <Element E> __global__ void encode_kernel(const float *numbers, int count, uint32_t *bits) {
  for (int i = static_cast<int>(threadIdx.x); i < count; i += static_cast<int>(blockDim.x))
    bits[i] = aios::cuda::ptx::encode<E>(numbers[i]);
}

template <Element E> __global__ void decode_kernel(const uint32_t *bits, int count, float *numbers) {
  for (int i = static_cast<int>(threadIdx.x); i < count; i += static_cast<int>(blockDim.x))
    numbers[i] = decode<E>(bits[i]);
}

template <Element E> void add_conversions(Family &family, int capability) {
  family.add("encode." + name_of(E), capability, [](Run &run) {
    std::vector<float> numbers = hard_numbers(E, run.random);
    uint32_t *bits = run.buffer<uint32_t>(numbers.size());
    run.launch(Dim3(1), Dim3(128), 0, encode_kernel<E>, run.input(numbers), static_cast<int>(numbers.size()), bits);
    run.result(bits, numbers.size());
  });
  if (E == Element::tf32)
    return; // its numbers are binary32
  family.add("decode." + name_of(E), capability, [](Run &run) {
    std::vector<uint32_t> bits(size_t{1} << kBits[static_cast<int>(E)]);
    for (size_t i = 0; i < bits.size(); ++i)
      bits[i] = static_cast<uint32_t>(i);
    float *numbers = run.buffer<float>(bits.size());
    run.launch(Dim3(1), Dim3(128), 0, decode_kernel<E>, run.input(bits), static_cast<int>(bits.size()), numbers);
    run.result(numbers, bits.size());
  });
}

} // namespace golden

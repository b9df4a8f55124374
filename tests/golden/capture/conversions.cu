#include "conversions.cuh"

#include "kernels/cuda/numbers.cuh"

namespace golden {
namespace {

template <class T> __global__ void store_kernel(const float *numbers, int count, T *out, float *back) {
  for (int i = static_cast<int>(threadIdx.x); i < count; i += static_cast<int>(blockDim.x)) {
    out[i] = aios::cuda::from_float<T>(numbers[i]);
    back[i] = aios::cuda::to_float(out[i]);
  }
}

/// The conversions of numbers.cuh, which promise the same bits everywhere.
template <class T> void add_stored(Family &family, Element element) {
  family.add("stored." + name_of(element), 80, [element](Run &run) {
    std::vector<float> numbers = hard_numbers(element, run.random);
    size_t count = numbers.size();
    auto *out = run.buffer<uint16_t>(count);
    auto *back = run.buffer<float>(count);
    run.launch(Dim3(1), Dim3(128), 0, store_kernel<T>, run.input(numbers), static_cast<int>(count),
               reinterpret_cast<T *>(out), back);
    run.result(out, count);
    run.result(back, count);
  });
}

} // namespace

void add_conversion_cases(Family &family) {
  add_conversions<Element::bf16>(family, 80);
  add_conversions<Element::f16>(family, 80);
  add_conversions<Element::tf32>(family, 80);
  add_stored<aios::cuda::bf16>(family, Element::bf16);
  add_stored<aios::cuda::half>(family, Element::f16);
}

} // namespace golden

// Cases of wgmma. Shared memory is an image of random elements: which of them are multiplied, and with what, is decided
// by the descriptors, so that every bit of their meaning shows in the results.
#include "operands.cuh"

namespace golden {
namespace {

constexpr uint32_t kThreads = 128;
// Of A and B: rows of 128 bytes, in one piece of four steps along K.
constexpr uint32_t kSteps = 4, kAt = 64 * 128, kImage = kAt + 256 * 128;

/// How one operand lies in shared memory, as its descriptor says it.
struct Layout {
  uint32_t leading, stride;
  Swizzle swizzle;
  uint32_t step;  // bytes from one instruction's part to the next
  uint32_t steps; // that fit
};

/// A product of several instructions.
struct Plan {
  Layout a, b;
  uint32_t steps;
  bool accumulate;
};

__device__ __forceinline__ uint64_t describe(const Layout &layout, uint32_t address, uint32_t step) {
  return matrix_descriptor(address + step * layout.step, layout.leading, layout.stride, layout.swizzle);
}

__device__ __forceinline__ void fill_shared(const uint32_t *image) {
  Shared<uint32_t> shared(0);
  for (uint32_t i = threadIdx.x; i < kImage / 4; i += kThreads)
    shared[i] = image[i];
  fence_proxy_async();
  __syncthreads();
}

template <Element E, bool TransposedA, bool TransposedB, int Count>
__global__ void shared_kernel(Plan plan, const uint32_t *image, const uint32_t *, const Accumulator<E> *c,
                              Accumulator<E> *d) {
  fill_shared(image);
  Shared<uint32_t> shared(0);
  Accumulator<E> sum[Count];
#pragma unroll
  for (uint32_t i = 0; i < Count; ++i)
    sum[i] = c[threadIdx.x * Count + i];
  wgmma_fence();
  for (uint32_t s = 0; s < plan.steps; ++s)
    wgmma<E, TransposedA, TransposedB>(sum, describe(plan.a, shared.address(), s),
                                       describe(plan.b, shared.address(kAt / 4), s), plan.accumulate || s > 0);
  wgmma_commit();
  wgmma_wait<0>();
#pragma unroll
  for (uint32_t i = 0; i < Count; ++i)
    d[threadIdx.x * Count + i] = sum[i];
}

template <Element E, bool, bool TransposedB, int Count>
__global__ void register_kernel(Plan plan, const uint32_t *image, const uint32_t *a, const Accumulator<E> *c,
                                Accumulator<E> *d) {
  fill_shared(image);
  Shared<uint32_t> shared(0);
  Accumulator<E> sum[Count];
  uint32_t fragments[kSteps][4];
#pragma unroll
  for (uint32_t s = 0; s < kSteps; ++s)
#pragma unroll
    for (uint32_t r = 0; r < 4; ++r)
      fragments[s][r] = a[(s * kThreads + threadIdx.x) * 4 + r];
#pragma unroll
  for (uint32_t i = 0; i < Count; ++i)
    sum[i] = c[threadIdx.x * Count + i];
  wgmma_fence();
#pragma unroll
  for (uint32_t s = 0; s < kSteps; ++s)
    if (s < plan.steps)
      wgmma<E, TransposedB>(sum, fragments[s], describe(plan.b, shared.address(kAt / 4), s), plan.accumulate || s > 0);
  wgmma_commit();
  wgmma_wait<0>();
#pragma unroll
  for (uint32_t i = 0; i < Count; ++i)
    d[threadIdx.x * Count + i] = sum[i];
}

template <Element E>
using Kernel = void (*)(Plan, const uint32_t *, const uint32_t *, const Accumulator<E> *, Accumulator<E> *);

/// A case before it has a name.
struct Form {
  bool registers = false, transposed_a = false, transposed_b = false;
  Layout a{}, b{};
  int columns = 64;
  Data data = Data::integers;
  bool accumulate = true;
};

template <Element E, bool TransposedA, bool TransposedB> Kernel<E> kernel_of(const Form &form) {
  Kernel<E> kernel = nullptr;
  auto choose = [&](auto columns) {
    if (form.columns == columns)
      kernel = form.registers ? Kernel<E>(register_kernel<E, false, TransposedB, columns / 2>)
                              : Kernel<E>(shared_kernel<E, TransposedA, TransposedB, columns / 2>);
  };
  choose(std::integral_constant<int, 64>());
  choose(std::integral_constant<int, 128>());
  if constexpr (!TransposedA && !TransposedB) {
    choose(std::integral_constant<int, 8>());
    choose(std::integral_constant<int, 24>());
    choose(std::integral_constant<int, 208>());
    choose(std::integral_constant<int, 256>());
  }
  return kernel;
}

template <Element E> Kernel<E> kernel_of(const Form &form) {
  if constexpr (E == Element::bf16 || E == Element::f16) {
    if (form.transposed_a)
      return form.transposed_b ? kernel_of<E, true, true>(form) : kernel_of<E, true, false>(form);
    if (form.transposed_b)
      return kernel_of<E, false, true>(form);
  }
  return kernel_of<E, false, false>(form);
}

constexpr const char *kSwizzleNames[] = {"none", "32", "64", "128"};
constexpr Swizzle kSwizzles[] = {Swizzle::none, Swizzle::bytes32, Swizzle::bytes64, Swizzle::bytes128};

uint32_t span_of(Swizzle swizzle) {
  return 16u << static_cast<uint32_t>(swizzle);
}

/// K contiguous, `rows` rows. Without a swizzle, core matrices of 8 rows of 16 bytes follow each other along the rows,
/// or (`along_k`) along K.
Layout k_major(Swizzle swizzle, uint32_t rows, bool along_k = false) {
  uint32_t span = span_of(swizzle);
  if (swizzle != Swizzle::none)
    return {16, 8 * span, swizzle, 32, span / 32};
  return along_k ? Layout{128, 2 * kSteps * 128, swizzle, 256, kSteps}
                 : Layout{rows * 16, 128, swizzle, 2 * rows * 16, kSteps};
}

/// Rows contiguous, 16-bit elements, `rows` of them. Patterns of eight steps along K and a span along the rows follow
/// each other along K, or (`along_rows`) along the rows.
Layout rows_major(Swizzle swizzle, uint32_t rows, bool along_rows) {
  uint32_t span = span_of(swizzle), pattern = 8 * span, across = rows * 2 / span;
  uint32_t next_rows = along_rows ? pattern : 2 * kSteps * pattern, next_k = along_rows ? across * pattern : pattern;
  // Without a swizzle, the two fields have changed places.
  return swizzle == Swizzle::none ? Layout{next_k, next_rows, swizzle, 2 * next_k, kSteps}
                                  : Layout{next_rows, next_k, swizzle, 2 * next_k, kSteps};
}

template <Element E> void add_form(Family &family, const std::string &name, const Form &form) {
  family.add(name_of(E) + "." + name, 90, [form](Run &run) {
    size_t count = static_cast<size_t>(form.columns) / 2, words = kThreads * count;
    Plan plan{form.a, form.b, std::min(form.registers ? kSteps : form.a.steps, form.b.steps), form.accumulate};
    std::vector<uint32_t> image = operand(E, form.data, true, kAt / 4, run.random);
    std::vector<uint32_t> second = operand(E, form.data, false, (kImage - kAt) / 4, run.random);
    image.insert(image.end(), second.begin(), second.end());
    uint32_t *shared = run.input(image);
    uint32_t *a = run.input(operand(E, form.data, true, kSteps * kThreads * 4, run.random));
    Accumulator<E> *c = run.input(accumulators<E>(form.data, words, run.random));
    Accumulator<E> *d = run.buffer<Accumulator<E>>(words);
    run.launch(Dim3(1), Dim3(kThreads), kImage, kernel_of<E>(form), plan, shared, a, c, d);
    run.result(d, words, tolerance(E, form.data, static_cast<int>(plan.steps) * depth(E) + 1));
  });
}

std::string name_of(const Form &form) {
  std::string a = form.registers ? "r" : form.transposed_a ? "m" : "k", b = form.transposed_b ? "n" : "k";
  return std::string("n") + std::to_string(form.columns) + "." + a + b + ".swizzle_" +
         kSwizzleNames[static_cast<int>(form.b.swizzle)];
}

/// K-major operands, of which A may be in registers.
template <Element E> void add_k_major(Family &family) {
  for (bool registers : {false, true})
    for (int columns : {8, 24, 64, 128, 208, 256})
      for (Swizzle swizzle : kSwizzles) {
        if (registers && (swizzle == Swizzle::bytes32 || swizzle == Swizzle::bytes64))
          continue; // B is read as without registers
        if ((columns < 64 || columns == 208) && swizzle != Swizzle::bytes128)
          continue; // further numbers of columns change nothing else
        Form form;
        form.registers = registers;
        form.columns = columns;
        form.a = k_major(swizzle, 64);
        form.b = k_major(swizzle, static_cast<uint32_t>(columns));
        add_form<E>(family, name_of(form) + ".integers", form);
        if (columns != 64 || swizzle != Swizzle::bytes128)
          continue;
        for (Data data : kinds(E)) {
          form.data = data;
          if (data != Data::integers)
            add_form<E>(family, name_of(form) + "." + name_of(data), form);
        }
        form.data = Data::integers;
        form.accumulate = false;
        add_form<E>(family, name_of(form) + ".overwrite", form);
      }
  Form along_k;
  along_k.a = along_k.b = k_major(Swizzle::none, 64, true);
  add_form<E>(family, name_of(along_k) + ".along_k.integers", along_k);
}

/// Operands whose rows are contiguous, for the formats that can have them.
template <Element E> void add_rows_major(Family &family) {
  for (int columns : {64, 128})
    for (Swizzle swizzle : kSwizzles)
      for (bool along_rows : {false, true})
        for (int which = 1; which <= 4; ++which) {
          Form form;
          form.columns = columns;
          form.registers = which == 4;
          form.transposed_a = which == 1 || which == 3;
          form.transposed_b = which >= 2;
          auto rows = static_cast<uint32_t>(columns);
          form.a = form.transposed_a ? rows_major(swizzle, 64, along_rows) : k_major(swizzle, 64);
          form.b = form.transposed_b ? rows_major(swizzle, rows, along_rows) : k_major(swizzle, rows);
          add_form<E>(family, name_of(form) + (along_rows ? ".along_rows" : ".along_k") + ".integers", form);
        }
}

} // namespace

void add_wgmma_cases_sm90(Family &family) {
  add_k_major<Element::bf16>(family);
  add_k_major<Element::f16>(family);
  add_k_major<Element::tf32>(family);
  add_k_major<Element::e4m3>(family);
  add_k_major<Element::s8>(family);
  add_k_major<Element::e5m2>(family);
  add_rows_major<Element::bf16>(family);
  add_rows_major<Element::f16>(family);
}

} // namespace golden

// Cases of atomic operations: what many threads leave behind where the order does not show, and everything that one
// thread sees.
#include "golden.cuh"

namespace golden {
namespace {

using u64 = unsigned long long;

struct Add {
  static constexpr const char *name = "add";
  template <class T> __device__ static T apply(T *at, T value) { return atomicAdd(at, value); }
};
struct Max {
  static constexpr const char *name = "max";
  template <class T> __device__ static T apply(T *at, T value) { return atomicMax(at, value); }
};
struct Min {
  static constexpr const char *name = "min";
  template <class T> __device__ static T apply(T *at, T value) { return atomicMin(at, value); }
};
struct Or {
  static constexpr const char *name = "or";
  template <class T> __device__ static T apply(T *at, T value) { return atomicOr(at, value); }
};
struct And {
  static constexpr const char *name = "and";
  template <class T> __device__ static T apply(T *at, T value) { return atomicAnd(at, value); }
};
struct Exchange {
  static constexpr const char *name = "exchange";
  template <class T> __device__ static T apply(T *at, T value) { return atomicExch(at, value); }
};
/// Swaps every other time.
struct Compare {
  static constexpr const char *name = "compare";
  template <class T> __device__ static T apply(T *at, T value) {
    T there = *at;
    return atomicCAS(at, threadIdx.x == 0 && value > there ? there : static_cast<T>(value + there), value);
  }
};

constexpr uint32_t kSlots = 16, kValues = 1024, kSequence = 64;

template <class Op, class T> __global__ void global_kernel(const T *values, T *slots) {
  uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
  Op::apply(slots + i * 7 % kSlots, values[i]);
}

template <class Op, class T> __global__ void sequence_kernel(const T *values, T *slot, T *seen) {
  for (uint32_t i = 0; i < kSequence; ++i) {
    seen[i] = Op::apply(slot, values[i]);
    __threadfence();
  }
  seen[kSequence] = *slot;
}

template <class T> __global__ void shared_kernel(const T *values, T *out, bool sums) {
  Shared<T> slots(0);
  if (threadIdx.x < kSlots)
    slots[threadIdx.x] = static_cast<T>(0);
  __syncthreads();
  for (uint32_t i = threadIdx.x; i < kValues; i += blockDim.x) {
    if (sums)
      slots.atomic_add(i * 7 % kSlots, values[i]);
    else
      slots.atomic_max(i * 7 % kSlots, values[i]);
  }
  __syncthreads();
  if (threadIdx.x < kSlots)
    out[threadIdx.x] = slots[threadIdx.x];
}

template <class T> constexpr const char *type_name() {
  if constexpr (std::is_same_v<T, float>)
    return "f32";
  else
    return sizeof(T) == 8 ? "u64" : std::is_signed_v<T> ? "s32" : "u32";
}

/// Random bits; of floating-point numbers small integers, whose sums are exact.
template <class T> std::vector<T> numbers(size_t count, Random &random) {
  if constexpr (!std::is_same_v<T, float>)
    return random.values<T>(count);
  std::vector<T> values(count);
  for (T &value : values)
    value = static_cast<T>(random.between(-100, 100));
  return values;
}

template <class T> auto *as_output(T *elements) {
  if constexpr (std::is_same_v<T, float>)
    return elements;
  else
    return reinterpret_cast<std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t> *>(elements);
}

template <class Op, class T>
void add_sequence(Family &family, const std::string &suffix, std::vector<T> (*draw)(size_t, Random &)) {
  family.add(std::string("sequence.") + Op::name + "." + type_name<T>() + suffix, 80, [draw](Run &run) {
    T *values = run.input(draw(kSequence, run.random)), *slot = run.input(draw(1, run.random));
    T *seen = run.buffer<T>(kSequence + 1);
    run.launch(Dim3(1), Dim3(1), 0, sequence_kernel<Op, T>, values, slot, seen);
    run.result(as_output(seen), kSequence + 1);
  });
}

template <class T, class... Ops> void add_operations(Family &family) {
  auto add = [&]<class Op>(Op) {
    family.add(std::string("global.") + Op::name + "." + type_name<T>(), 80, [](Run &run) {
      T *values = run.input(numbers<T>(kValues, run.random)), *slots = run.input(numbers<T>(kSlots, run.random));
      run.launch(Dim3(4), Dim3(kValues / 4), 0, global_kernel<Op, T>, values, slots);
      run.result(as_output(slots), kSlots);
    });
    add_sequence<Op, T>(family, "", numbers<T>);
  };
  (add(Ops{}), ...);
}

template <class T> void add_shared(Family &family, bool sums) {
  family.add(std::string("shared.") + (sums ? "add." : "max.") + type_name<T>(), 80, [sums](Run &run) {
    T *out = run.buffer<T>(kSlots);
    run.launch(Dim3(1), Dim3(128), kSlots * sizeof(T), shared_kernel<T>, run.input(numbers<T>(kValues, run.random)),
               out, sums);
    run.result(as_output(out), kSlots);
  });
}

/// Sums that are rounded.
std::vector<float> fractions(size_t count, Random &random) {
  std::vector<float> values(count);
  for (float &value : values)
    value = random.unit() * static_cast<float>(1u << random.below(20));
  return values;
}
/// Around the least normal number.
std::vector<float> tiny(size_t count, Random &random) {
  std::vector<float> values(count);
  for (float &value : values) {
    uint32_t bits = (random.bits() & 0x80FFFFFFu) >> random.below(2);
    std::memcpy(&value, &bits, sizeof value);
  }
  return values;
}

} // namespace

void add_atomic_cases(Family &family) {
  add_operations<int, Add, Max, Min, Or, And>(family);
  add_operations<unsigned, Add, Max, Min, Or, And>(family);
  add_operations<u64, Add, Max, Min, Or, And>(family);
  add_operations<float, Add>(family);
  add_sequence<Exchange, unsigned>(family, "", numbers<unsigned>);
  add_sequence<Exchange, float>(family, "", numbers<float>);
  add_sequence<Compare, unsigned>(family, "", numbers<unsigned>);
  add_sequence<Compare, u64>(family, "", numbers<u64>);
  add_sequence<Add, float>(family, ".fractions", fractions);
  add_sequence<Add, float>(family, ".tiny", tiny);
  for (bool sums : {true, false}) {
    add_shared<int>(family, sums);
    add_shared<unsigned>(family, sums);
  }
}

} // namespace golden

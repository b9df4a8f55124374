// Cases of shuffles, votes and barriers with a predicate.
#include "golden.cuh"

namespace golden {
namespace {

constexpr uint32_t kRounds = 8;

struct Index {
  static constexpr const char *name = "index";
  static constexpr uint32_t arguments = 64; // beyond the width, which wraps around
  template <class T> __device__ static T apply(unsigned mask, T value, int argument, int width) {
    return __shfl_sync(mask, value, argument, width);
  }
};
struct Xor {
  static constexpr const char *name = "xor";
  static constexpr uint32_t arguments = 32;
  template <class T> __device__ static T apply(unsigned mask, T value, int argument, int width) {
    return __shfl_xor_sync(mask, value, argument, width);
  }
};
struct Up {
  static constexpr const char *name = "up";
  static constexpr uint32_t arguments = 32;
  template <class T> __device__ static T apply(unsigned mask, T value, int argument, int width) {
    return __shfl_up_sync(mask, value, static_cast<unsigned>(argument), width);
  }
};
struct Down {
  static constexpr const char *name = "down";
  static constexpr uint32_t arguments = 32;
  template <class T> __device__ static T apply(unsigned mask, T value, int argument, int width) {
    return __shfl_down_sync(mask, value, static_cast<unsigned>(argument), width);
  }
};

/// All lanes take part: what one gives that does not is undefined.
template <class Kind, class T>
__global__ void shuffle_kernel(const T *values, const int *arguments, int width, T *out) {
  for (uint32_t round = 0; round < kRounds; ++round) {
    uint32_t i = round * 32 + threadIdx.x;
    out[i] = Kind::apply(0xFFFFFFFFu, values[i], arguments[i], width);
  }
}

/// In every block the lanes of another mask.
__global__ void vote_kernel(const uint32_t *masks, const uint32_t *predicates, uint32_t *out) {
  uint32_t lane = threadIdx.x, mask = masks[blockIdx.x], *mine = out + (blockIdx.x * 32 + lane) * 3;
  int predicate = (predicates[blockIdx.x] >> lane & 1) != 0;
  if ((mask >> lane & 1) == 0)
    return;
  mine[0] = __ballot_sync(mask, predicate);
  mine[1] = __any_sync(mask, predicate) != 0;
  mine[2] = __all_sync(mask, predicate) != 0;
}

__global__ void block_kernel(const uint32_t *predicates, uint32_t *out) {
  for (uint32_t round = 0; round < kRounds; ++round) {
    uint32_t i = round * blockDim.x + threadIdx.x;
    int predicate = predicates[i] != 0;
    out[3 * i] = static_cast<uint32_t>(__syncthreads_count(predicate));
    out[3 * i + 1] = __syncthreads_or(predicate) != 0;
    out[3 * i + 2] = __syncthreads_and(predicate) != 0;
  }
}

template <class Kind, class T> void add_shuffles(Family &family) {
  for (int width : {32, 16, 8, 4, 2})
    family.add(std::string("shuffle.") + Kind::name + (sizeof(T) == 8 ? ".u64" : ".u32") + ".width_" +
                   std::to_string(width),
               80, [width](Run &run) {
                 std::vector<int> arguments(32 * kRounds);
                 for (size_t i = 0; i < arguments.size(); ++i) // each lane's own in odd rounds
                   arguments[i] = i / 32 % 2 == 1 || i % 32 == 0 ? static_cast<int>(run.random.below(Kind::arguments))
                                                                 : arguments[i - 1];
                 T *out = run.buffer<T>(32 * kRounds);
                 run.launch(Dim3(1), Dim3(32), 0, shuffle_kernel<Kind, T>,
                            run.input(run.random.values<T>(32 * kRounds)), run.input(arguments), width, out);
                 run.result(out, 32 * kRounds);
               });
}

} // namespace

void add_warp_cases(Family &family) {
  add_shuffles<Index, uint32_t>(family);
  add_shuffles<Xor, uint32_t>(family);
  add_shuffles<Up, uint32_t>(family);
  add_shuffles<Down, uint32_t>(family);
  add_shuffles<Index, unsigned long long>(family);
  add_shuffles<Down, unsigned long long>(family);
  family.add("votes", 80, [](Run &run) {
    std::vector<uint32_t> masks = run.random.values<uint32_t>(kRounds),
                          predicates = run.random.values<uint32_t>(kRounds);
    masks[0] = 0xFFFFFFFFu;
    predicates[1] = masks[1];  // all of them
    predicates[2] = ~masks[2]; // none
    uint32_t *out = run.buffer<uint32_t>(32 * kRounds * 3);
    run.launch(Dim3(kRounds), Dim3(32), 0, vote_kernel, run.input(masks), run.input(predicates), out);
    run.result(out, 32 * kRounds * 3);
  });
  family.add("block_votes", 80, [](Run &run) {
    constexpr size_t threads = 96;
    std::vector<uint32_t> predicates(threads * kRounds);
    for (size_t i = 0; i < predicates.size(); ++i) // rounds 1 and 2: all, none
      predicates[i] = i / threads == 1 || (i / threads != 2 && run.random.below(2) == 1);
    uint32_t *out = run.buffer<uint32_t>(3 * threads * kRounds);
    run.launch(Dim3(1), Dim3(threads), 0, block_kernel, run.input(predicates), out);
    run.result(out, 3 * threads * kRounds);
  });
}

} // namespace golden

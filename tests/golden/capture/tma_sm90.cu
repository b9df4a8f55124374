// Cases of TMA: boxes of tensors of 1 to 5 dimensions, loaded, stored and added.
#include "golden.cuh"

namespace golden {
namespace {

// The driver's numbers of element types.
enum Type : uint32_t { u8, u16, u32, s32, u64, s64, f16, f32, f64, bf16, f32_ftz, tf32, tf32_ftz };
constexpr const char *kTypeNames[] = {"u8",  "u16", "u32",  "s32",     "u64",  "s64",     "f16",
                                      "f32", "f64", "bf16", "f32_ftz", "tf32", "tf32_ftz"};
constexpr uint32_t kTypeBytes[] = {1, 2, 4, 4, 8, 8, 2, 4, 8, 2, 4, 4, 4};

constexpr uint32_t kThreads = 128;
constexpr uint32_t kWindow = 4096; // bytes of shared memory that a box may lie in
constexpr uint32_t kBarrier = kWindow;

struct At {
  int32_t index[5];
};

/// A tensor in global memory and a box of it.
struct Box {
  Type type = f16;
  uint32_t rank = 2;
  uint32_t extents[5] = {};
  uint32_t box[5] = {};
  At at{};
  uint32_t swizzle = 0;
  bool nan_fill = false;
  uint32_t offset = 0; // of the box in shared memory
  uint32_t gap = 0;    // bytes between one row of the tensor and the next

  uint32_t row_bytes() const { return (extents[0] * kTypeBytes[type] + 15) / 16 * 16 + gap; }
  uint32_t tensor_words() const {
    uint32_t bytes = row_bytes();
    for (uint32_t i = 1; i < rank; ++i)
      bytes *= extents[i];
    return (bytes + 3) / 4;
  }
  uint32_t box_bytes() const {
    uint32_t bytes = kTypeBytes[type];
    for (uint32_t i = 0; i < rank; ++i)
      bytes *= box[i];
    return bytes;
  }
  MapSpec map(void *address) const {
    MapSpec spec{type, rank, address, {}, {}, {}, swizzle, nan_fill ? 1u : 0u};
    uint64_t stride = row_bytes();
    for (uint32_t i = 0; i < rank; ++i) {
      spec.extents[i] = extents[i];
      spec.box[i] = box[i];
      if (i > 0)
        spec.strides[i - 1] = stride;
      stride *= i > 0 ? extents[i] : 1;
    }
    return spec;
  }
};

template <int Rank> struct Coordinates {
  int32_t value[Rank];
  __device__ explicit Coordinates(const At &at) {
    for (int i = 0; i < Rank; ++i)
      value[i] = at.index[i];
  }
};

__device__ __forceinline__ void fill_window(const uint32_t *image) {
  Shared<uint32_t> window(0);
  for (uint32_t i = threadIdx.x; i < kWindow / 4; i += kThreads)
    window[i] = image[i];
}

/// The whole window comes out: swizzle, and bytes that must not have been touched.
template <int Rank>
__global__ void load_kernel(const __grid_constant__ TensorMap map, At at, uint32_t offset, uint32_t bytes,
                            const uint32_t *image, uint32_t *out) {
  Shared<uint32_t> window(0);
  uint32_t barrier = window.address(kBarrier / 4);
  fill_window(image);
  if (threadIdx.x == 0) {
    mbarrier_init(barrier, 1);
    fence_mbarrier_init();
  }
  fence_proxy_async();
  __syncthreads();
  if (threadIdx.x == 0) {
    mbarrier_arrive_expect(barrier, bytes);
    tensor_load<Rank>(window.address(offset / 4), map, Coordinates<Rank>(at).value, barrier);
  }
  mbarrier_wait(barrier, 0);
  for (uint32_t i = threadIdx.x; i < kWindow / 4; i += kThreads)
    out[i] = window[i];
}

template <int Rank, bool Adds>
__global__ void store_kernel(const __grid_constant__ TensorMap map, At at, uint32_t offset, const uint32_t *image) {
  Shared<uint32_t> window(0);
  fill_window(image);
  fence_proxy_async();
  __syncthreads();
  if (threadIdx.x != 0)
    return;
  if constexpr (Adds)
    tensor_add<Rank>(map, Coordinates<Rank>(at).value, window.address(offset / 4));
  else
    tensor_store<Rank>(map, Coordinates<Rank>(at).value, window.address(offset / 4));
  bulk_commit();
  bulk_wait<0>();
}

/// Block `from` of a cluster of two loads into the blocks of a mask.
__global__ void multicast_kernel(const __grid_constant__ TensorMap map, At at, uint32_t bytes, uint32_t from,
                                 uint32_t blocks, const uint32_t *image, uint32_t *out) {
  Shared<uint32_t> window(0);
  uint32_t barrier = window.address(kBarrier / 4), rank = cluster_rank();
  bool receives = (blocks >> rank & 1) != 0;
  fill_window(image);
  if (threadIdx.x == 0) {
    mbarrier_init(barrier, 1);
    fence_mbarrier_init();
    if (receives)
      mbarrier_arrive_expect(barrier, bytes);
  }
  fence_proxy_async();
  cluster_arrive();
  cluster_wait();
  if (threadIdx.x == 0 && rank == from)
    tensor_load_multicast<2>(window.address(), map, Coordinates<2>(at).value, barrier, static_cast<uint16_t>(blocks));
  if (receives)
    mbarrier_wait(barrier, 0);
  for (uint32_t i = threadIdx.x; i < kWindow / 4; i += kThreads)
    out[rank * kWindow / 4 + i] = window[i];
  cluster_arrive();
  cluster_wait();
}

enum class Action { load, store, add };

auto load_of(uint32_t rank) {
  constexpr decltype(&load_kernel<1>) kernels[] = {load_kernel<1>, load_kernel<2>, load_kernel<3>, load_kernel<4>,
                                                   load_kernel<5>};
  return kernels[rank - 1];
}

template <bool Adds> auto store_of(uint32_t rank) {
  constexpr decltype(&store_kernel<1, Adds>) kernels[] = {store_kernel<1, Adds>, store_kernel<2, Adds>,
                                                          store_kernel<3, Adds>, store_kernel<4, Adds>,
                                                          store_kernel<5, Adds>};
  return kernels[rank - 1];
}

/// Random bits; for sums, of floating-point types, small integers.
std::vector<uint32_t> contents(Type type, Action action, size_t words, Random &random) {
  std::vector<uint32_t> values = random.values<uint32_t>(words);
  if (action != Action::add || type < f16)
    return values;
  for (uint32_t &value : values) {
    auto number = static_cast<float>(random.between(-8, 8)), other = static_cast<float>(random.between(-8, 8));
    uint32_t bits, second;
    std::memcpy(&bits, &number, sizeof bits);
    std::memcpy(&second, &other, sizeof second);
    if (type == bf16)
      bits = bits >> 16 | (second & 0xFFFF0000u);
    if (type == f16) { // small integers are normal in both
      auto half = [](uint32_t f) {
        return (f & 0x7FFFFFFFu) == 0 ? 0 : (f >> 16 & 0x8000u) | (((f >> 13) - (112u << 10)) & 0x7FFFu);
      };
      bits = half(bits) | half(second) << 16;
    }
    value = bits;
  }
  return values;
}

void run_box(Run &run, const Box &box, Action action) {
  uint32_t *tensor = run.input(contents(box.type, action, box.tensor_words(), run.random));
  uint32_t *image = run.input(contents(box.type, action, kWindow / 4, run.random));
  TensorMap map = run.map(box.map(tensor));
  Dim3 one(1), threads(kThreads);
  if (action == Action::load) {
    uint32_t *out = run.buffer<uint32_t>(kWindow / 4);
    run.launch(one, threads, kWindow + 16, load_of(box.rank), map, box.at, box.offset, box.box_bytes(), image, out);
    run.result(out, kWindow / 4);
    return;
  }
  run.launch(one, threads, kWindow, action == Action::store ? store_of<false>(box.rank) : store_of<true>(box.rank), map,
             box.at, box.offset, image);
  run.result(tensor, box.tensor_words());
}

void add(Family &family, const std::string &name, const Box &box, std::initializer_list<Action> actions) {
  constexpr const char *names[] = {"load", "store", "add"};
  for (Action action : actions)
    family.add(std::string(names[static_cast<int>(action)]) + "." + name, 90,
               [box, action](Run &run) { run_box(run, box, action); });
}

constexpr const char *kSwizzleNames[] = {"none", "32", "64", "128"};

/// 16-bit elements, boxes as wide as a swizzle spans: inside, over every edge, beside the tensor.
void add_swizzles(Family &family) {
  struct Place {
    const char *name;
    int32_t x, y;
  };
  for (uint32_t swizzle = 0; swizzle < 4; ++swizzle) {
    Box box;
    uint32_t width = swizzle == 0 ? 24 : 8u << swizzle;
    box.swizzle = swizzle;
    box.extents[0] = 72;
    box.extents[1] = 20;
    box.box[0] = width;
    box.box[1] = 16;
    auto far = static_cast<int32_t>(72 - width / 2);
    const Place places[] = {
        {"inside", 3, 2}, {"below", -5, -3}, {"above", far, 11}, {"beside", 80, 0}, {"over", 0, 20}};
    for (const Place &place : places) {
      box.at = {{place.x, place.y}};
      add(family, std::string("swizzle_") + kSwizzleNames[swizzle] + "." + place.name, box,
          {Action::load, Action::store});
    }
    box.at = {{1, 1}};
    for (uint32_t offset : {128u, 640u, 1024u}) { // the swizzle goes by the address
      box.offset = offset;
      add(family, std::string("swizzle_") + kSwizzleNames[swizzle] + ".at_" + std::to_string(offset), box,
          {Action::load, Action::store});
    }
  }
}

void add_ranks(Family &family) {
  for (uint32_t rank = 1; rank <= 5; ++rank)
    for (uint32_t swizzle : {0u, 3u}) {
      Box box;
      box.rank = rank;
      box.swizzle = swizzle;
      const uint32_t extents[] = {104, 7, 5, 3, 4}, sizes[] = {64, 3, 2, 2, 2};
      for (uint32_t i = 0; i < rank; ++i) {
        box.extents[i] = extents[i];
        box.box[i] = i == 0 || rank > 3 ? sizes[i] : 2 * sizes[i];
        box.at.index[i] = i % 2 == 0 ? 1 : -1;
      }
      box.at.index[0] = 43; // over the edge
      add(family, "rank_" + std::to_string(rank) + ".swizzle_" + kSwizzleNames[swizzle], box,
          {Action::load, Action::store});
    }
}

void add_types(Family &family) {
  for (uint32_t type = u8; type <= tf32_ftz; ++type) {
    Box box;
    box.type = static_cast<Type>(type);
    box.extents[0] = 88 / kTypeBytes[type];
    box.extents[1] = 9;
    box.box[0] = 64 / kTypeBytes[type];
    box.box[1] = 8;
    box.at = {{static_cast<int32_t>(32 / kTypeBytes[type]), 3}};
    box.gap = 32;
    std::string name = std::string("type_") + kTypeNames[type];
    add(family, name, box, {Action::load, Action::store});
    if (type == u32 || type == s32 || type == u64 || type == f16 || type == f32 || type == bf16 || type == f32_ftz)
      add(family, name, box, {Action::add});
    if (type >= f16) {
      box.nan_fill = true;
      add(family, name + ".nan_fill", box, {Action::load});
    }
  }
}

void add_multicast(Family &family) {
  for (uint32_t from : {0u, 1u})
    for (uint32_t blocks : {1u, 2u, 3u})
      family.add("multicast.from_" + std::to_string(from) + ".to_" + std::to_string(blocks), 90,
                 [from, blocks](Run &run) {
                   Box box;
                   box.swizzle = 3;
                   box.extents[0] = 96;
                   box.extents[1] = 18;
                   box.box[0] = 64;
                   box.box[1] = 16;
                   box.at = {{40, 5}};
                   uint32_t *tensor = run.input(run.random.values<uint32_t>(box.tensor_words()));
                   uint32_t *image = run.input(run.random.values<uint32_t>(kWindow / 4));
                   uint32_t *out = run.buffer<uint32_t>(2 * kWindow / 4);
                   Shape shape{Dim3(2), Dim3(kThreads), kWindow + 16, Dim3(2, 1, 1)};
                   run.launch(shape, multicast_kernel, run.map(box.map(tensor)), box.at, box.box_bytes(), from, blocks,
                              image, out);
                   run.result(out, 2 * kWindow / 4);
                 });
}

} // namespace

void add_tma_cases_sm90(Family &family) {
  add_swizzles(family);
  add_types(family);
  add_ranks(family);
  add_multicast(family);
}

} // namespace golden

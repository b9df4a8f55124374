// The functions of ptx.cuh on the device: each is the instruction it is named after. A function may be called only
// where the target has the instruction: mma, ldmatrix and cp.async from sm_80 (8-bit floats from sm_89), the rest from
// sm_90.
#pragma once

#include "ptx_wgmma.cuh"

namespace aios::cuda::ptx {

// ---- warps ----

/// One lane of the warp, the same every time.
__device__ __forceinline__ bool elect_one() {
  uint32_t elected;
  asm volatile("{\n.reg .pred p;\nelect.sync _|p, 0xffffffff;\nselp.u32 %0, 1, 0, p;\n}" : "=r"(elected));
  return elected != 0;
}
/// Waits until `threads` threads, whole warps, have synced or arrived at one of the block's barriers 1 to 15.
__device__ __forceinline__ void bar_sync(unsigned id, unsigned threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}
__device__ __forceinline__ void bar_arrive(unsigned id, unsigned threads) {
  asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(threads) : "memory");
}
/// Registers per thread of a warpgroup from now on, a multiple of 8.
template <unsigned Count> __device__ __forceinline__ void raise_registers() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(Count));
}
template <unsigned Count> __device__ __forceinline__ void lower_registers() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(Count));
}

// ---- matrices of a warp ----

#define AIOS_MMA(SHAPE, TYPES, CONSTRAINT)                                                                             \
  asm volatile("mma.sync.aligned." SHAPE ".row.col." TYPES " {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"    \
               : CONSTRAINT(d[0]), CONSTRAINT(d[1]), CONSTRAINT(d[2]), CONSTRAINT(d[3])                                \
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]))

/// d += a·b for a 16×8 tile and 32 bytes along K.
template <Element E>
__device__ __forceinline__ void mma_m16n8(Accumulator<E> (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  if constexpr (E == Element::bf16)
    AIOS_MMA("m16n8k16", "f32.bf16.bf16.f32", "+f");
  else if constexpr (E == Element::f16)
    AIOS_MMA("m16n8k16", "f32.f16.f16.f32", "+f");
  else if constexpr (E == Element::tf32)
    AIOS_MMA("m16n8k8", "f32.tf32.tf32.f32", "+f");
  else if constexpr (E == Element::e4m3)
    AIOS_MMA("m16n8k32", "f32.e4m3.e4m3.f32", "+f");
  else if constexpr (E == Element::e5m2)
    AIOS_MMA("m16n8k32", "f32.e5m2.e5m2.f32", "+f");
  else
    AIOS_MMA("m16n8k32", "s32.s8.s8.s32", "+r");
}
#undef AIOS_MMA

#define AIOS_MATRICES(FORM)                                                                                            \
  if constexpr (Count == 1)                                                                                            \
    asm volatile("ldmatrix.sync.aligned.m8n8.x1" FORM ".shared.b16 {%0}, [%1];"                                        \
                 : "=r"(fragments[0])                                                                                  \
                 : "r"(address)                                                                                        \
                 : "memory");                                                                                          \
  else if constexpr (Count == 2)                                                                                       \
    asm volatile("ldmatrix.sync.aligned.m8n8.x2" FORM ".shared.b16 {%0,%1}, [%2];"                                     \
                 : "=r"(fragments[0]), "=r"(fragments[1])                                                              \
                 : "r"(address)                                                                                        \
                 : "memory");                                                                                          \
  else                                                                                                                 \
    asm volatile("ldmatrix.sync.aligned.m8n8.x4" FORM ".shared.b16 {%0,%1,%2,%3}, [%4];"                               \
                 : "=r"(fragments[0]), "=r"(fragments[1]), "=r"(fragments[2]), "=r"(fragments[3])                      \
                 : "r"(address)                                                                                        \
                 : "memory")

/// Matrices of 8 rows of 16 bytes; lane i gives the address of row i % 8 of matrix i / 8.
template <bool Transposed = false, int Count>
__device__ __forceinline__ void load_matrices(uint32_t (&fragments)[Count], uint32_t address) {
  static_assert(Count == 1 || Count == 2 || Count == 4);
  if constexpr (Transposed) {
    AIOS_MATRICES(".trans");
  } else {
    AIOS_MATRICES("");
  }
}
#undef AIOS_MATRICES

#define AIOS_MATRICES(FORM)                                                                                            \
  if constexpr (Count == 1)                                                                                            \
    asm volatile("stmatrix.sync.aligned.m8n8.x1" FORM ".shared.b16 [%0], {%1};" ::"r"(address), "r"(fragments[0])      \
                 : "memory");                                                                                          \
  else if constexpr (Count == 2)                                                                                       \
    asm volatile("stmatrix.sync.aligned.m8n8.x2" FORM ".shared.b16 [%0], {%1,%2};" ::"r"(address), "r"(fragments[0]),  \
                 "r"(fragments[1])                                                                                     \
                 : "memory");                                                                                          \
  else                                                                                                                 \
    asm volatile("stmatrix.sync.aligned.m8n8.x4" FORM ".shared.b16 [%0], {%1,%2,%3,%4};" ::"r"(address),               \
                 "r"(fragments[0]), "r"(fragments[1]), "r"(fragments[2]), "r"(fragments[3])                            \
                 : "memory")

template <bool Transposed = false, int Count>
__device__ __forceinline__ void store_matrices(uint32_t address, const uint32_t (&fragments)[Count]) {
  static_assert(Count == 1 || Count == 2 || Count == 4);
  if constexpr (Transposed) {
    AIOS_MATRICES(".trans");
  } else {
    AIOS_MATRICES("");
  }
}
#undef AIOS_MATRICES

/// Rounds to 10 mantissa bits, ties away from zero.
__device__ __forceinline__ uint32_t to_tf32(float value) {
  uint32_t bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(value));
  return bits;
}

/// The bits of a number in a format: to nearest even, 8-bit floats saturated; tf32 as to_tf32.
template <Element E> __device__ __forceinline__ uint32_t encode(float value) {
  static_assert(E != Element::s8);
  if constexpr (E == Element::tf32) {
    return to_tf32(value);
  } else {
    uint16_t bits;
    if constexpr (E == Element::bf16)
      asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    else if constexpr (E == Element::f16)
      asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    else if constexpr (E == Element::e4m3)
      asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(bits) : "f"(0.0f), "f"(value));
    else
      asm("cvt.rn.satfinite.e5m2x2.f32 %0, %1, %2;" : "=h"(bits) : "f"(0.0f), "f"(value));
    return bits;
  }
}
/// The number that the bits stand for.
template <Element E> __device__ __forceinline__ float decode(uint32_t bits) {
  static_assert(E != Element::s8);
  float value;
  if constexpr (E == Element::bf16) {
    value = __uint_as_float(bits << 16);
  } else if constexpr (E == Element::tf32) {
    value = __uint_as_float(bits & 0xFFFFE000u);
  } else if constexpr (E == Element::f16) {
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(static_cast<uint16_t>(bits)));
  } else {
    uint32_t pair;
    if constexpr (E == Element::e4m3)
      asm("cvt.rn.f16x2.e4m3x2 %0, %1;" : "=r"(pair) : "h"(static_cast<uint16_t>(bits)));
    else
      asm("cvt.rn.f16x2.e5m2x2 %0, %1;" : "=r"(pair) : "h"(static_cast<uint16_t>(bits)));
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(static_cast<uint16_t>(pair)));
  }
  return value;
}

// ---- cp.async ----

/// Copies `source_size` of `Size` (4, 8, 16) bytes from global to shared memory and fills the rest with zeros.
template <int Size>
__device__ __forceinline__ void cp_async(uint32_t destination, const void *source, uint32_t source_size) {
  static_assert(Size == 4 || Size == 8 || Size == 16);
  if constexpr (Size == 16)
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(destination), "l"(source), "r"(source_size)
                 : "memory");
  else
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(destination), "l"(source), "n"(Size),
                 "r"(source_size)
                 : "memory");
}
template <int Size> __device__ __forceinline__ void cp_async(uint32_t destination, const void *source) {
  cp_async<Size>(destination, source, Size);
}
__device__ __forceinline__ void cp_async_commit() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
/// Waits until at most the `Newest` most recent groups of this thread are incomplete.
template <unsigned Newest> __device__ __forceinline__ void cp_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(Newest) : "memory");
}
__device__ __forceinline__ void cp_async_wait_all() {
  asm volatile("cp.async.wait_all;" ::: "memory");
}

// ---- mbarriers and fences ----

__device__ __forceinline__ void mbarrier_init(uint32_t barrier, uint32_t arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(arrivals) : "memory");
}
__device__ __forceinline__ void mbarrier_invalidate(uint32_t barrier) {
  asm volatile("mbarrier.inval.shared::cta.b64 [%0];" ::"r"(barrier) : "memory");
}
__device__ __forceinline__ void mbarrier_arrive(uint32_t barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(barrier) : "memory");
}
/// At a barrier of another block of the cluster, by an address from map_shared.
__device__ __forceinline__ void mbarrier_arrive_remote(uint32_t barrier) {
  asm volatile("mbarrier.arrive.release.cluster.shared::cluster.b64 _, [%0];" ::"r"(barrier) : "memory");
}
/// Arrives and announces bytes that asynchronous copies are going to bring in this phase.
__device__ __forceinline__ void mbarrier_arrive_expect(uint32_t barrier, uint32_t bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes) : "memory");
}
__device__ __forceinline__ void mbarrier_expect(uint32_t barrier, uint32_t bytes) {
  asm volatile("mbarrier.expect_tx.relaxed.cta.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(bytes) : "memory");
}
/// Whether the phase of this parity is complete; waits for it for a while.
__device__ __forceinline__ bool mbarrier_try_wait(uint32_t barrier, uint32_t parity) {
  uint32_t complete;
  asm volatile("{\n.reg .pred p;\nmbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\nselp.u32 %0, 1, 0, p;\n}"
               : "=r"(complete)
               : "r"(barrier), "r"(parity)
               : "memory");
  return complete != 0;
}
__device__ __forceinline__ void mbarrier_wait(uint32_t barrier, uint32_t parity) {
  while (!mbarrier_try_wait(barrier, parity)) {
  }
}
/// Makes initialised mbarriers visible to asynchronous copies and to the cluster.
__device__ __forceinline__ void fence_mbarrier_init() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}
/// Orders plain accesses to shared memory before accesses of bulk copies and wgmma that follow.
__device__ __forceinline__ void fence_proxy_async() {
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

// ---- bulk copies ----

/// Copies bytes, a multiple of 16, from global memory and reports them to the mbarrier.
__device__ __forceinline__ void bulk_load(uint32_t destination, const void *source, uint32_t size, uint32_t barrier) {
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(destination),
      "l"(source), "r"(size), "r"(barrier)
      : "memory");
}
/// From this block's shared memory to another one's of the cluster, where the mbarrier is as well.
__device__ __forceinline__ void bulk_send(uint32_t destination, uint32_t source, uint32_t size, uint32_t barrier) {
  asm volatile(
      "cp.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(destination),
      "r"(source), "r"(size), "r"(barrier)
      : "memory");
}
__device__ __forceinline__ void bulk_store(void *destination, uint32_t source, uint32_t size) {
  asm volatile("cp.async.bulk.global.shared::cta.bulk_group [%0], [%1], %2;" ::"l"(destination), "r"(source), "r"(size)
               : "memory");
}
__device__ __forceinline__ void bulk_commit() {
  asm volatile("cp.async.bulk.commit_group;" ::: "memory");
}
/// Waits until at most the `Newest` most recent bulk groups of this thread are incomplete.
template <unsigned Newest> __device__ __forceinline__ void bulk_wait() {
  asm volatile("cp.async.bulk.wait_group %0;" ::"n"(Newest) : "memory");
}
/// The same, only until shared memory has been read.
template <unsigned Newest> __device__ __forceinline__ void bulk_wait_read() {
  asm volatile("cp.async.bulk.wait_group.read %0;" ::"n"(Newest) : "memory");
}

// ---- TMA ----

// The coordinates of 1 to 5 dimensions, innermost first, are operands %4 and following.
#define AIOS_BY_RANK(OPERATION)                                                                                        \
  if constexpr (Rank == 1) {                                                                                           \
    OPERATION("1d", "{%4}", "r"(at[0]));                                                                               \
  } else if constexpr (Rank == 2) {                                                                                    \
    OPERATION("2d", "{%4,%5}", "r"(at[0]), "r"(at[1]));                                                                \
  } else if constexpr (Rank == 3) {                                                                                    \
    OPERATION("3d", "{%4,%5,%6}", "r"(at[0]), "r"(at[1]), "r"(at[2]));                                                 \
  } else if constexpr (Rank == 4) {                                                                                    \
    OPERATION("4d", "{%4,%5,%6,%7}", "r"(at[0]), "r"(at[1]), "r"(at[2]), "r"(at[3]));                                  \
  } else {                                                                                                             \
    OPERATION("5d", "{%4,%5,%6,%7,%8}", "r"(at[0]), "r"(at[1]), "r"(at[2]), "r"(at[3]), "r"(at[4]));                   \
  }
#define AIOS_LOAD(DIMENSIONS, AT, ...)                                                                                 \
  asm volatile("cp.async.bulk.tensor." DIMENSIONS                                                                      \
               ".shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, " AT "], [%2];" ::"r"(destination),    \
               "l"(&map), "r"(barrier), "r"(0), __VA_ARGS__                                                            \
               : "memory")
#define AIOS_MULTICAST(DIMENSIONS, AT, ...)                                                                            \
  asm volatile("cp.async.bulk.tensor." DIMENSIONS                                                                      \
               ".shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster [%0], [%1, " AT                \
               "], [%2], %3;" ::"r"(destination),                                                                      \
               "l"(&map), "r"(barrier), "h"(blocks), __VA_ARGS__                                                       \
               : "memory")
#define AIOS_STORE(DIMENSIONS, AT, ...)                                                                                \
  asm volatile("cp.async.bulk.tensor." DIMENSIONS ".global.shared::cta.bulk_group [%1, " AT "], [%0];" ::"r"(source),  \
               "l"(&map), "r"(0), "r"(0), __VA_ARGS__                                                                  \
               : "memory")
#define AIOS_ADD(DIMENSIONS, AT, ...)                                                                                  \
  asm volatile("cp.reduce.async.bulk.tensor." DIMENSIONS ".global.shared::cta.add.bulk_group [%1, " AT                 \
               "], [%0];" ::"r"(source),                                                                               \
               "l"(&map), "r"(0), "r"(0), __VA_ARGS__                                                                  \
               : "memory")

/// Loads the map's box at the coordinates; what lies outside the tensor is filled and counts as bytes all the same.
template <int Rank>
__device__ __forceinline__ void tensor_load(uint32_t destination, const TensorMap &map, const int32_t (&at)[Rank],
                                            uint32_t barrier) {
  AIOS_BY_RANK(AIOS_LOAD)
}
/// Into every block of the cluster whose bit is set, at the same offset, each reporting to its own mbarrier.
template <int Rank>
__device__ __forceinline__ void tensor_load_multicast(uint32_t destination, const TensorMap &map,
                                                      const int32_t (&at)[Rank], uint32_t barrier, uint16_t blocks) {
  AIOS_BY_RANK(AIOS_MULTICAST)
}
/// Stores the box, in the thread's bulk group; what lies outside the tensor is left out.
template <int Rank>
__device__ __forceinline__ void tensor_store(const TensorMap &map, const int32_t (&at)[Rank], uint32_t source) {
  AIOS_BY_RANK(AIOS_STORE)
}
/// Adds it to what is there.
template <int Rank>
__device__ __forceinline__ void tensor_add(const TensorMap &map, const int32_t (&at)[Rank], uint32_t source) {
  AIOS_BY_RANK(AIOS_ADD)
}
#undef AIOS_BY_RANK
#undef AIOS_LOAD
#undef AIOS_MULTICAST
#undef AIOS_STORE
#undef AIOS_ADD

// ---- clusters ----

__device__ __forceinline__ uint32_t cluster_rank() {
  uint32_t rank;
  asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  return rank;
}
__device__ __forceinline__ uint32_t cluster_size() {
  uint32_t size;
  asm("mov.u32 %0, %%cluster_nctarank;" : "=r"(size));
  return size;
}
/// The shared address of the same offset in another block of the cluster.
__device__ __forceinline__ uint32_t map_shared(uint32_t address, uint32_t rank) {
  uint32_t mapped;
  asm("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(mapped) : "r"(address), "r"(rank));
  return mapped;
}
__device__ __forceinline__ void cluster_arrive() {
  asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory");
}
__device__ __forceinline__ void cluster_wait() {
  asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory");
}
__device__ __forceinline__ float load_remote(uint32_t address) {
  float value;
  asm volatile("ld.shared::cluster.f32 %0, [%1];" : "=f"(value) : "r"(address) : "memory");
  return value;
}
__device__ __forceinline__ void store_remote(uint32_t address, float value) {
  asm volatile("st.shared::cluster.f32 [%0], %1;" ::"r"(address), "f"(value) : "memory");
}

} // namespace aios::cuda::ptx

// kernels/cuda/ptx.cuh on the host: the functions of ptx_device.cuh as calls into the simulator.
#pragma once

#include <bit>

#include "../executor/sync.h"
#include "bulk.h"
#include "cluster.h"
#include "copy.h"
#include "formats.h"
#include "mbarrier.h"
#include "mma.h"
#include "tensor_core.h"

namespace aios::cuda::ptx {

using sim::Site;

constexpr sim::Operand operand(Element element) {
  return static_cast<sim::Operand>(element);
}

// ---- warps ----

inline bool elect_one(Site site = Site::current()) {
  return sim::elect(0xFFFFFFFFu, site);
}
inline void bar_sync(unsigned id, unsigned threads, Site site = Site::current()) {
  sim::sync_named(id, threads, site);
}
inline void bar_arrive(unsigned id, unsigned threads, Site site = Site::current()) {
  sim::arrive_named(id, threads, site);
}
template <unsigned Count> void raise_registers(Site site = Site::current()) {
  sim::set_registers(Count, site);
}
template <unsigned Count> void lower_registers(Site site = Site::current()) {
  sim::set_registers(Count, site);
}

// ---- matrices of a warp ----

template <Element E>
void mma_m16n8(Accumulator<E> (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], Site site = Site::current()) {
  sim::mma_m16n8(operand(E), d, a, b, site);
}
template <bool Transposed = false, int Count>
void load_matrices(uint32_t (&fragments)[Count], uint32_t address, Site site = Site::current()) {
  sim::load_matrices(fragments, address, Count, Transposed, site);
}
template <bool Transposed = false, int Count>
void store_matrices(uint32_t address, const uint32_t (&fragments)[Count], Site site = Site::current()) {
  sim::store_matrices(fragments, address, Count, Transposed, site);
}
inline uint32_t to_tf32(float value) {
  return sim::Tf32::encode(value);
}
template <Element E>
using Format = std::conditional_t<
    E == Element::bf16, sim::Bf16,
    std::conditional_t<E == Element::f16, sim::F16,
                       std::conditional_t<E == Element::tf32, sim::Tf32,
                                          std::conditional_t<E == Element::e4m3, sim::E4m3, sim::E5m2>>>>;
template <Element E> uint32_t encode(float value) {
  static_assert(E != Element::s8);
  return Format<E>::encode(value);
}
template <Element E> float decode(uint32_t bits) {
  static_assert(E != Element::s8);
  return Format<E>::decode(bits);
}

// ---- cp.async ----

template <int Size> void cp_async(uint32_t destination, const void *source, Site site = Site::current()) {
  sim::copy_async(destination, source, Size, Size, site);
}
template <int Size>
void cp_async(uint32_t destination, const void *source, uint32_t source_size, Site site = Site::current()) {
  sim::copy_async(destination, source, Size, source_size, site);
}
inline void cp_async_commit() {
  sim::copy_commit();
}
template <unsigned Newest> void cp_async_wait() {
  sim::copy_wait(Newest);
}
inline void cp_async_wait_all() {
  sim::copy_wait_all();
}

// ---- mbarriers and fences ----

inline void mbarrier_init(uint32_t barrier, uint32_t arrivals, Site site = Site::current()) {
  sim::mbarrier_init(barrier, arrivals, site);
}
inline void mbarrier_invalidate(uint32_t barrier, Site site = Site::current()) {
  sim::mbarrier_invalidate(barrier, site);
}
inline void mbarrier_arrive(uint32_t barrier, Site site = Site::current()) {
  sim::mbarrier_arrive(barrier, 0, site);
}
inline void mbarrier_arrive_remote(uint32_t barrier, Site site = Site::current()) {
  sim::mbarrier_arrive(barrier, 0, site);
}
inline void mbarrier_arrive_expect(uint32_t barrier, uint32_t bytes, Site site = Site::current()) {
  sim::mbarrier_arrive(barrier, bytes, site);
}
inline void mbarrier_expect(uint32_t barrier, uint32_t bytes, Site site = Site::current()) {
  sim::mbarrier_expect(barrier, bytes, site);
}
inline bool mbarrier_try_wait(uint32_t barrier, uint32_t parity, Site site = Site::current()) {
  return sim::mbarrier_try_wait(barrier, parity, site);
}
inline void mbarrier_wait(uint32_t barrier, uint32_t parity, Site site = Site::current()) {
  while (!sim::mbarrier_try_wait(barrier, parity, site)) {
  }
}
inline void fence_mbarrier_init() {
  sim::fence_mbarrier_init();
}
inline void fence_proxy_async() {
  sim::fence_proxy_async();
}

// ---- bulk copies and TMA ----

inline void bulk_load(uint32_t destination, const void *source, uint32_t size, uint32_t barrier,
                      Site site = Site::current()) {
  sim::bulk_load(destination, source, size, barrier, site);
}
inline void bulk_send(uint32_t destination, uint32_t source, uint32_t size, uint32_t barrier,
                      Site site = Site::current()) {
  sim::bulk_send(destination, source, size, barrier, site);
}
inline void bulk_store(void *destination, uint32_t source, uint32_t size, Site site = Site::current()) {
  sim::bulk_store(destination, source, size, site);
}
inline void bulk_commit() {
  sim::bulk_commit();
}
template <unsigned Newest> void bulk_wait(Site site = Site::current()) {
  sim::bulk_wait(Newest, false, site);
}
template <unsigned Newest> void bulk_wait_read(Site site = Site::current()) {
  sim::bulk_wait(Newest, true, site);
}
template <int Rank>
void tensor_load(uint32_t destination, const TensorMap &map, const int32_t (&at)[Rank], uint32_t barrier,
                 Site site = Site::current()) {
  sim::tensor_load(destination, &map, at, Rank, barrier, 0, site);
}
template <int Rank>
void tensor_load_multicast(uint32_t destination, const TensorMap &map, const int32_t (&at)[Rank], uint32_t barrier,
                           uint16_t blocks, Site site = Site::current()) {
  sim::tensor_load(destination, &map, at, Rank, barrier, blocks, site);
}
template <int Rank>
void tensor_store(const TensorMap &map, const int32_t (&at)[Rank], uint32_t source, Site site = Site::current()) {
  sim::tensor_store(&map, source, at, Rank, sim::Reduction::none, site);
}
template <int Rank>
void tensor_add(const TensorMap &map, const int32_t (&at)[Rank], uint32_t source, Site site = Site::current()) {
  sim::tensor_store(&map, source, at, Rank, sim::Reduction::add, site);
}

// ---- clusters ----

inline uint32_t cluster_rank() {
  return sim::cluster_rank();
}
inline uint32_t cluster_size() {
  return sim::cluster_size();
}
inline uint32_t map_shared(uint32_t address, uint32_t rank, Site site = Site::current()) {
  return sim::map_shared(address, rank, site);
}
inline void cluster_arrive(Site site = Site::current()) {
  sim::cluster_arrive(site);
}
inline void cluster_wait(Site site = Site::current()) {
  sim::cluster_wait(site);
}
inline float load_remote(uint32_t address, Site site = Site::current()) {
  float value;
  sim::load_remote(address, sizeof value, &value, site);
  return value;
}
inline void store_remote(uint32_t address, float value, Site site = Site::current()) {
  sim::store_remote(address, sizeof value, &value, site);
}

// ---- matrices of a warpgroup ----

inline void wgmma_fence(Site site = Site::current()) {
  sim::wgmma_fence(site);
}
inline void wgmma_commit(Site site = Site::current()) {
  sim::wgmma_commit(site);
}
template <unsigned Newest> void wgmma_wait(Site site = Site::current()) {
  sim::wgmma_wait(Newest, site);
}
template <Element E, bool TransposedA = false, bool TransposedB = false, int Count>
void wgmma(Accumulator<E> (&d)[Count], uint64_t a, uint64_t b, bool accumulate, Site site = Site::current()) {
  static_assert(has_columns<E>(2 * Count));
  sim::wgmma({operand(E), 2 * Count, false, TransposedA, TransposedB, accumulate, a, b},
             reinterpret_cast<uint32_t *>(d), nullptr, site);
}
template <Element E, bool TransposedB = false, int Count>
void wgmma(Accumulator<E> (&d)[Count], const uint32_t (&a)[4], uint64_t b, bool accumulate,
           Site site = Site::current()) {
  static_assert(has_columns<E>(2 * Count));
  sim::wgmma({operand(E), 2 * Count, true, false, TransposedB, accumulate, 0, b}, reinterpret_cast<uint32_t *>(d), a,
             site);
}

} // namespace aios::cuda::ptx

// What attention forward and backward share: where heads lie, and products of their rows.
//
// A thread has one row of the result, of which it keeps up to Slice elements in registers; longer rows are shared out
// over threads, which compute the scores again. There is no shared memory and nothing to wait for, neighbouring threads
// read the same keys at the same time, and every sum is in the order of keys or queries.
#pragma once

#include "launchers.cuh"

namespace aios::cuda {

constexpr unsigned kAttentionThreads = 64;

/// A row's elements that a thread keeps.
constexpr int kSmallSlice = 16, kLargeSlice = 64;

/// A [batch][head][position] array of rows.
template <class T> struct Rows {
  T *start;
  int64_t batch, head, position;

  __device__ __forceinline__ T *operator()(int64_t b, int64_t h, int64_t t) const {
    return start + b * batch + h * head + t * position;
  }
};

template <class T> Rows<T> rows_of(void *start, const int64_t (&strides)[3]) {
  return {static_cast<T *>(start), strides[0], strides[1], strides[2]};
}
template <class T> Rows<const T> rows_of(const void *start, const int64_t (&strides)[3]) {
  return {static_cast<const T *>(start), strides[0], strides[1], strides[2]};
}

template <class T> __device__ __forceinline__ float dot(const T *a, const T *b, int64_t n) {
  float sum = 0.0f;
  for (int64_t i = 0; i < n; i++)
    sum = fmaf(load(a + i), load(b + i), sum);
  return sum;
}

/// What a thread sums up: `count` elements of a row.
template <int Slice> struct Part {
  float sum[Slice];
  int count;

  __device__ __forceinline__ explicit Part(int64_t left) : sum{}, count(static_cast<int>(min64(Slice, left))) {}

  template <class T> __device__ __forceinline__ void add(float factor, const T *row) {
#pragma unroll
    for (int i = 0; i < Slice; i++)
      if (i < count)
        sum[i] = fmaf(factor, load(row + i), sum[i]);
  }
  __device__ __forceinline__ void scale(float factor) {
#pragma unroll
    for (int i = 0; i < Slice; i++)
      sum[i] *= factor;
  }
  template <class T> __device__ __forceinline__ void put(T *row) const {
#pragma unroll
    for (int i = 0; i < Slice; i++)
      if (i < count)
        store(row + i, sum[i]);
  }
};

/// A thread's row and slice, from its number: [batch][head][slice][position].
struct Place {
  int64_t batch, head, first, position; // first element of the slice

  __device__ __forceinline__ Place(int64_t i, int64_t heads, int64_t slices, int64_t slice, int64_t positions)
      : batch(i / (positions * slices * heads)), head(i / (positions * slices) % heads),
        first(i / positions % slices * slice), position(i % positions) {}
};

/// Keys that a query sees.
__device__ __forceinline__ int64_t keys_of(const aios_attention_desc &d, int64_t query) {
  return d.causal ? query + d.kv_len - d.q_len + 1 : d.kv_len;
}

inline Shape shape_of_attention(int64_t rows, int64_t slices) {
  return {blocks_for(ceil_div(rows * slices, kAttentionThreads)), kAttentionThreads};
}

/// Calls f(Slice{}) with the slice for heads of this many elements.
template <class F> aios_status with_slice(int64_t head_dim, const F &f) {
  return head_dim <= kSmallSlice ? f(std::integral_constant<int, kSmallSlice>())
                                 : f(std::integral_constant<int, kLargeSlice>());
}

} // namespace aios::cuda

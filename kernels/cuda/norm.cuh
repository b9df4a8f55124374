// The kernels of LayerNorm and RMSNorm: one template, which differs in whether the mean is subtracted.
//
// Forward: out = (x - mean) * rstd * weight + bias, with mean = 0 and no bias for RMSNorm. A block takes a row, reads
// it twice for mean and variance, and once for the result.
// Backward, with g = dout * weight and h = (x - mean) * rstd:
//   dx = rstd * (g - mean(g) - h * mean(g h)), without mean(g) for RMSNorm; a block takes a row
//   dweight = sum over rows of dout * h, dbias = sum over rows of dout; a thread takes a column of a chunk of rows,
//   whose length depends on the shape only, and leaves its sums in the workspace ([chunk][2][cols] floats); a second
//   kernel adds the chunks in their order. Both run before dx is written, so that dx may be dout or x.
#pragma once

#include "launchers.cuh"

namespace aios::cuda {

inline int64_t norm_chunk_rows(int64_t rows) {
  constexpr int64_t kMostChunks = 256, kFewestRows = 32;
  return max64(kFewestRows, ceil_div(rows, kMostChunks));
}

inline int64_t norm_chunks(int64_t rows) {
  return ceil_div(rows, norm_chunk_rows(rows));
}

template <class T> struct NormForward {
  T *out;
  float *mean, *rstd;
  const T *x, *weight, *bias;
  int64_t rows, cols;
  float epsilon;
};

template <class T> __device__ __forceinline__ float weight_at(const T *weight, int64_t c) {
  return weight ? load(weight + c) : 1.0f;
}

template <class T, bool kCentered> __global__ void norm_kernel(NormForward<T> p) {
  const Shared<float> scratch(0u);
  const float length = static_cast<float>(p.cols);
  for (int64_t r = blockIdx.x; r < p.rows; r += gridDim.x) {
    const T *row = p.x + r * p.cols;
    float mean = 0.0f;
    if constexpr (kCentered) {
      for (int64_t c = threadIdx.x; c < p.cols; c += blockDim.x)
        mean += load(row + c);
      mean = reduce_block(mean, Add(), scratch) / length;
    }
    float squares = 0.0f;
    for (int64_t c = threadIdx.x; c < p.cols; c += blockDim.x) {
      const float d = load(row + c) - mean;
      squares = fmaf(d, d, squares);
    }
    const float rstd = 1.0f / sqrtf(reduce_block(squares, Add(), scratch) / length + p.epsilon);
    if (threadIdx.x == 0) {
      if (p.mean)
        p.mean[r] = mean;
      if (p.rstd)
        p.rstd[r] = rstd;
    }
    for (int64_t c = threadIdx.x; c < p.cols; c += blockDim.x) {
      const float y = (load(row + c) - mean) * rstd * weight_at(p.weight, c);
      store(p.out + r * p.cols + c, p.bias ? y + load(p.bias + c) : y);
    }
  }
}

template <class T> struct NormBackward {
  T *dx, *dweight, *dbias;
  const T *dout, *x, *weight;
  const float *mean, *rstd;
  float *workspace;
  int64_t rows, cols;
  bool accumulate_dx, accumulate_params;
};

template <class T, bool kCentered> __global__ void norm_backward_kernel(NormBackward<T> p) {
  const Shared<float> scratch(0u);
  const float length = static_cast<float>(p.cols);
  for (int64_t r = blockIdx.x; r < p.rows; r += gridDim.x) {
    const int64_t start = r * p.cols;
    const float mean = kCentered ? p.mean[r] : 0.0f, rstd = p.rstd[r];
    float sum_g = 0.0f, sum_gh = 0.0f;
    for (int64_t c = threadIdx.x; c < p.cols; c += blockDim.x) {
      const float g = load(p.dout + start + c) * weight_at(p.weight, c), h = (load(p.x + start + c) - mean) * rstd;
      sum_g += g;
      sum_gh = fmaf(g, h, sum_gh);
    }
    const float mean_g = kCentered ? reduce_block(sum_g, Add(), scratch) / length : 0.0f;
    const float mean_gh = reduce_block(sum_gh, Add(), scratch) / length;
    for (int64_t c = threadIdx.x; c < p.cols; c += blockDim.x) {
      const float g = load(p.dout + start + c) * weight_at(p.weight, c), h = (load(p.x + start + c) - mean) * rstd;
      const float dx = rstd * (g - mean_g - h * mean_gh);
      store(p.dx + start + c, p.accumulate_dx ? load(p.dx + start + c) + dx : dx);
    }
  }
}

template <class T, bool kCentered>
__global__ void norm_chunk_kernel(NormBackward<T> p, int64_t chunks, int64_t chunk_rows) {
  for (int64_t task = first_element(); task < chunks * p.cols; task += element_step()) {
    const int64_t chunk = task / p.cols, c = task % p.cols, end = min64(p.rows, (chunk + 1) * chunk_rows);
    float sum_weight = 0.0f, sum_bias = 0.0f;
    for (int64_t r = chunk * chunk_rows; r < end; r++) {
      const float d = load(p.dout + r * p.cols + c),
                  h = (load(p.x + r * p.cols + c) - (kCentered ? p.mean[r] : 0.0f)) * p.rstd[r];
      sum_weight = fmaf(d, h, sum_weight);
      sum_bias += d;
    }
    p.workspace[chunk * 2 * p.cols + c] = sum_weight;
    p.workspace[(chunk * 2 + 1) * p.cols + c] = sum_bias;
  }
}

template <class T> __global__ void norm_params_kernel(NormBackward<T> p, int64_t chunks) {
  for (int64_t task = first_element(); task < 2 * p.cols; task += element_step()) {
    const int64_t c = task % p.cols;
    T *to = task < p.cols ? p.dweight : p.dbias;
    if (!to)
      continue;
    float sum = 0.0f;
    for (int64_t chunk = 0; chunk < chunks; chunk++)
      sum += p.workspace[chunk * 2 * p.cols + task];
    store(to + c, p.accumulate_params ? sum + load(to + c) : sum);
  }
}

template <class T, bool kCentered> aios_status norm(aios_stream stream, const char *name, const NormForward<T> &p) {
  if (p.rows * p.cols == 0)
    return AIOS_STATUS_OK;
  const Shape shape = shape_of_rows<float>(p.rows, p.cols);
  return launch(stream, name, shape, norm_kernel<T, kCentered>, p);
}

/// The names are those of the launches for the parameters and for dx.
template <class T, bool kCentered>
aios_status norm_backward(aios_stream stream, const char *params_name, const char *name, const NormBackward<T> &p) {
  if (p.cols == 0)
    return AIOS_STATUS_OK;
  if (p.dweight || p.dbias) {
    const int64_t chunks = norm_chunks(p.rows);
    if (chunks > 0) {
      const Shape shape = shape_of_elements(chunks * p.cols);
      if (const aios_status status =
              launch(stream, params_name, shape, norm_chunk_kernel<T, kCentered>, p, chunks, norm_chunk_rows(p.rows)))
        return status;
    }
    const Shape shape = shape_of_elements(2 * p.cols);
    if (const aios_status status = launch(stream, params_name, shape, norm_params_kernel<T>, p, chunks))
      return status;
  }
  if (p.rows == 0)
    return AIOS_STATUS_OK;
  const Shape shape = shape_of_rows<float>(p.rows, p.cols);
  return launch(stream, name, shape, norm_backward_kernel<T, kCentered>, p);
}

} // namespace aios::cuda

// How kernels tell of data that are wrong; see aios_cuda.h.
#pragma once

#include "aios_cuda.h"
#include "launch.cuh"

namespace aios::cuda {

/// A kernel's way to the record.
struct Report {
  aios_cuda_record *record;
  const char *op;

  /// The first one wins.
  __device__ void operator()(aios_cuda_finding finding, int64_t place, int64_t value, int64_t limit) const {
    if (record == nullptr)
      __trap();
    if (atomicCAS(&record->state, 0u, 1u) != 0)
      return;
    record->finding = finding;
    record->op = op;
    record->place = place;
    record->value = value;
    record->limit = limit;
    __threadfence_system();
    *static_cast<volatile uint32_t *>(&record->state) = 2;
  }
};

/// For the kernels of an op that are enqueued to a stream.
Report report_of(aios_stream stream, const char *op);

} // namespace aios::cuda

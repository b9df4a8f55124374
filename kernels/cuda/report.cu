// aios_cuda_set_record, aios_cuda_take_finding: the record of what kernels found wrong.
#include "report.cuh"

#include <atomic>

#include "native/common/status.h"

namespace aios::cuda {
namespace {

std::atomic<aios_cuda_record *> the_record;

const char *const kTexts[] = {
    "%s: ids[%lld] is %lld, but the axis has %lld rows",
    "%s: targets[%lld] is %lld, but there are %lld classes",
    "%s: with tensor %lld there are %lld elements, but total is %lld",
    "%s: the dtype of tensor %lld is %lld, which has no CUDA kernel; use AIOS_DTYPE_F32 (0) or AIOS_DTYPE_BF16 (2)",
};

} // namespace

Report report_of(const char *op) {
  return {the_record.load(std::memory_order_acquire), op};
}

} // namespace aios::cuda

using namespace aios::cuda;

void aios_cuda_set_record(aios_cuda_record *record) {
  the_record.store(record, std::memory_order_release);
}

aios_status aios_cuda_take_finding(void) {
  aios_cuda_record *record = the_record.load(std::memory_order_acquire);
  if (record == nullptr || std::atomic_ref(record->state).load(std::memory_order_acquire) != 2)
    return AIOS_STATUS_OK;
  const aios_cuda_record found = *record;
  std::atomic_ref(record->state).store(0, std::memory_order_release);
  const aios_status status =
      found.finding == AIOS_CUDA_FINDING_DTYPE ? AIOS_STATUS_UNIMPLEMENTED : AIOS_STATUS_EXECUTION_FAILED;
  return aios::fail(status, kTexts[found.finding], found.op, static_cast<long long>(found.place),
                    static_cast<long long>(found.value), static_cast<long long>(found.limit));
}

// aios_cuda_set_record, aios_cuda_take_finding: the records of what kernels found wrong.
#include "report.cuh"

#include <atomic>
#include <mutex>
#include <unordered_map>

#include "native/common/status.h"

namespace aios::cuda {
namespace {

std::mutex the_gate;
std::unordered_map<aios_stream, aios_cuda_record *> the_records;

const char *const kTexts[] = {
    "%s: ids[%lld] is %lld, but the axis has %lld rows",
    "%s: targets[%lld] is %lld, but there are %lld classes",
    "%s: with tensor %lld there are %lld elements, but total is %lld",
    "%s: the dtype of tensor %lld is %lld, which has no CUDA kernel; use AIOS_DTYPE_F32 (0) or AIOS_DTYPE_BF16 (2)",
};

} // namespace

Report report_of(aios_stream stream, const char *op) {
  std::lock_guard lock(the_gate);
  auto found = the_records.find(stream);
  return {found == the_records.end() ? nullptr : found->second, op};
}

} // namespace aios::cuda

using namespace aios::cuda;

void aios_cuda_set_record(aios_stream stream, aios_cuda_record *record) {
  std::lock_guard lock(the_gate);
  if (record == nullptr)
    the_records.erase(stream);
  else
    the_records[stream] = record;
}

aios_status aios_cuda_take_finding(aios_cuda_record *record) {
  if (std::atomic_ref(record->state).load(std::memory_order_acquire) != 2)
    return AIOS_STATUS_OK;
  const aios_cuda_record found = *record;
  std::atomic_ref(record->state).store(0, std::memory_order_release);
  const aios_status status =
      found.finding == AIOS_CUDA_FINDING_DTYPE ? AIOS_STATUS_UNIMPLEMENTED : AIOS_STATUS_EXECUTION_FAILED;
  return aios::fail(status, kTexts[found.finding], found.op, static_cast<long long>(found.place),
                    static_cast<long long>(found.value), static_cast<long long>(found.limit));
}

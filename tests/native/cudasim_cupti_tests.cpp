// The stand-in for CUPTI: records of what ran, when, on which stream, in which launch.
#include <chrono>
#include <mutex>
#include <string>

#include <sys/syscall.h>
#include <unistd.h>

#include "cudasim_driver_test.h"
#include "simulator/driver/cupti_api.h"

#define CUPTI_OK(call) ASSERT_EQ(call, CUPTI_SUCCESS)

namespace {

/// What a listener was given; CUPTI's callbacks have no argument for it.
struct Heard {
  std::mutex mutex;
  size_t buffer_bytes = 4096, most = 0;
  int buffers = 0; // that were given and have not come back
  std::vector<CUpti_ActivityKernel9> kernels;
  std::vector<CUpti_ActivityMemcpy5> copies;
  std::vector<CUpti_ActivityMemcpyPtoP4> peers;
  std::vector<CUpti_ActivityMemset4> fills;
  std::vector<CUpti_ActivityAPI> calls;
  std::vector<CUpti_ActivityExternalCorrelation> external;
  CUptiResult end = CUPTI_SUCCESS;
} heard;

void give(uint8_t **buffer, size_t *bytes, size_t *most) {
  const std::lock_guard lock(heard.mutex);
  *buffer = static_cast<uint8_t *>(aligned_alloc(8, heard.buffer_bytes));
  *bytes = heard.buffer_bytes;
  *most = heard.most;
  ++heard.buffers;
}

void take(CUcontext, uint32_t, uint8_t *buffer, size_t, size_t valid) {
  const std::lock_guard lock(heard.mutex);
  CUpti_Activity *record = nullptr;
  while ((heard.end = cuptiActivityGetNextRecord(buffer, valid, &record)) == CUPTI_SUCCESS) {
    switch (record->kind) {
    case CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL:
      heard.kernels.push_back(*reinterpret_cast<CUpti_ActivityKernel9 *>(record));
      break;
    case CUPTI_ACTIVITY_KIND_MEMCPY:
      heard.copies.push_back(*reinterpret_cast<CUpti_ActivityMemcpy5 *>(record));
      break;
    case CUPTI_ACTIVITY_KIND_MEMCPY2:
      heard.peers.push_back(*reinterpret_cast<CUpti_ActivityMemcpyPtoP4 *>(record));
      break;
    case CUPTI_ACTIVITY_KIND_MEMSET:
      heard.fills.push_back(*reinterpret_cast<CUpti_ActivityMemset4 *>(record));
      break;
    case CUPTI_ACTIVITY_KIND_DRIVER:
      heard.calls.push_back(*reinterpret_cast<CUpti_ActivityAPI *>(record));
      break;
    default:
      heard.external.push_back(*reinterpret_cast<CUpti_ActivityExternalCorrelation *>(record));
    }
  }
  free(buffer);
  --heard.buffers;
}

constexpr CUpti_ActivityKind kKinds[] = {
    CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL,
    CUPTI_ACTIVITY_KIND_MEMCPY,
    CUPTI_ACTIVITY_KIND_MEMCPY2,
    CUPTI_ACTIVITY_KIND_MEMSET,
    CUPTI_ACTIVITY_KIND_DRIVER,
    CUPTI_ACTIVITY_KIND_EXTERNAL_CORRELATION,
};

class CudasimCupti : public Cudasim {
protected:
  void SetUp() override {
    Cudasim::SetUp();
    CUPTI_OK(cuptiActivityRegisterCallbacks(give, take));
    CUPTI_OK(cuptiSetThreadIdType(CUPTI_ACTIVITY_THREAD_ID_TYPE_SYSTEM));
    for (CUpti_ActivityKind kind : kKinds) {
      CUPTI_OK(cuptiActivityEnable(kind));
    }
  }

  void TearDown() override {
    stop();
    size_t dropped = 0;
    cuptiActivityGetNumDroppedRecords(nullptr, 0, &dropped);
    EXPECT_EQ(heard.buffers, 0);
    heard.kernels.clear();
    heard.copies.clear();
    heard.peers.clear();
    heard.fills.clear();
    heard.calls.clear();
    heard.external.clear();
    heard.buffer_bytes = 4096;
    heard.most = 0;
    Cudasim::TearDown();
  }

  static void stop() {
    for (CUpti_ActivityKind kind : kKinds) {
      EXPECT_EQ(cuptiActivityDisable(kind), CUPTI_SUCCESS);
    }
    EXPECT_EQ(cuptiActivityFlushAll(CUPTI_ACTIVITY_FLAG_FLUSH_FORCED), CUPTI_SUCCESS);
  }

  uint32_t id_of(CUstream stream) const {
    uint32_t id = 0;
    EXPECT_EQ(cuptiGetStreamIdEx(context, stream, 0, &id), CUPTI_SUCCESS);
    return id;
  }
};

uint64_t now() {
  uint64_t value = 0;
  EXPECT_EQ(cuptiGetTimestamp(&value), CUPTI_SUCCESS);
  return value;
}

TEST_F(CudasimCupti, RecordsSayWhatRanWhereAndWhen) {
  int *memory = allocate<int>(32);
  Pinned<int> host(32);
  const uint64_t before = now();
  for (int i = 0; i < 50; ++i) {
    OK(cuMemsetD32Async(at(memory), 1, 32, a));
    OK(launch(a, "add_kernel", 3, 32, [=] { __atomic_fetch_add(&memory[threadIdx.x], 1, __ATOMIC_RELAXED); }));
    OK(cuMemcpyAsync(host.at(), at(memory), 128, a));
    OK(launch(b, "idle_kernel", 1, 1, [] {}));
  }
  OK(cuCtxSynchronize());
  const uint64_t after = now();
  stop();
  uint32_t here = 0;
  CUPTI_OK(cuptiGetContextId(context, &here));
  ASSERT_EQ(heard.kernels.size(), 100u);
  ASSERT_EQ(heard.copies.size(), 50u);
  ASSERT_EQ(heard.fills.size(), 50u);
  ASSERT_EQ(heard.calls.size(), 200u);
  EXPECT_TRUE(heard.peers.empty() && heard.external.empty());
  EXPECT_EQ(heard.end, CUPTI_ERROR_MAX_LIMIT_REACHED);
  // Per stream they come in order, one after the other, within the time of the test.
  uint64_t end_of_a = before, end_of_b = before;
  size_t copy = 0, fill = 0;
  for (const CUpti_ActivityKernel9 &kernel : heard.kernels) {
    const bool on_a = kernel.streamId == id_of(a);
    EXPECT_EQ(kernel.name, std::string(on_a ? "add_kernel" : "idle_kernel"));
    EXPECT_EQ(kernel.gridX, on_a ? 3 : 1);
    EXPECT_EQ(kernel.contextId, here);
    EXPECT_EQ(kernel.graphId, 0u);
    if (on_a) {
      EXPECT_LE(end_of_a, heard.fills[fill].start);
      EXPECT_EQ(heard.fills[fill].bytes, 128u);
      EXPECT_LE(heard.fills[fill++].end, kernel.start);
      EXPECT_LE(kernel.end, heard.copies[copy].start);
      EXPECT_EQ(heard.copies[copy].copyKind, CUPTI_ACTIVITY_MEMCPY_KIND_DTOH);
      EXPECT_EQ(heard.copies[copy].dstKind, CUPTI_ACTIVITY_MEMORY_KIND_PINNED);
      end_of_a = heard.copies[copy++].end;
    } else {
      EXPECT_EQ(kernel.streamId, id_of(b));
      EXPECT_LE(end_of_b, kernel.start);
      end_of_b = kernel.end;
    }
  }
  EXPECT_LE(std::max(end_of_a, end_of_b), after);
  // Each was enqueued by one call of this thread, before it began.
  for (const CUpti_ActivityKernel9 &kernel : heard.kernels) {
    const auto call = std::find_if(heard.calls.begin(), heard.calls.end(), [&](const CUpti_ActivityAPI &one) {
      return one.correlationId == kernel.correlationId;
    });
    ASSERT_NE(call, heard.calls.end());
    EXPECT_LE(call->start, kernel.start);
    EXPECT_EQ(call->threadId, static_cast<uint32_t>(syscall(SYS_gettid)));
  }
  free_blocks();
}

TEST_F(CudasimCupti, NodesOfAGraphNameTheLaunch) {
  int *memory = allocate<int>(1);
  CUgraph graph = nullptr;
  CUgraphExec exec = nullptr;
  OK(cuStreamBeginCapture_v2(a, CU_STREAM_CAPTURE_MODE_RELAXED));
  OK(cuMemsetD32Async(at(memory), 1, 1, a));
  OK(launch(a, "node_kernel", 1, 1, [=] { *memory += 1; }));
  OK(cuStreamEndCapture(a, &graph));
  OK(cuGraphInstantiateWithFlags(&exec, graph, 0));
  for (uint64_t i = 0; i < 2; ++i) {
    CUPTI_OK(cuptiActivityPushExternalCorrelationId(CUPTI_EXTERNAL_CORRELATION_KIND_CUSTOM0, 70 + i));
    OK(cuGraphLaunch(exec, b));
    uint64_t popped = 0;
    CUPTI_OK(cuptiActivityPopExternalCorrelationId(CUPTI_EXTERNAL_CORRELATION_KIND_CUSTOM0, &popped));
    EXPECT_EQ(popped, 70 + i);
  }
  EXPECT_EQ(cuptiActivityPopExternalCorrelationId(CUPTI_EXTERNAL_CORRELATION_KIND_CUSTOM0, nullptr),
            CUPTI_ERROR_QUEUE_EMPTY);
  OK(cuCtxSynchronize());
  stop();
  ASSERT_EQ(heard.kernels.size(), 2u);
  ASSERT_EQ(heard.fills.size(), 2u);
  ASSERT_EQ(heard.external.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_NE(heard.kernels[i].graphId, 0u);
    EXPECT_EQ(heard.kernels[i].graphId, heard.fills[i].graphId);
    EXPECT_EQ(heard.kernels[i].correlationId, heard.fills[i].correlationId);
    EXPECT_NE(heard.kernels[i].graphNodeId, heard.fills[i].graphNodeId);
    EXPECT_EQ(heard.external[i].correlationId, heard.kernels[i].correlationId);
    EXPECT_EQ(heard.external[i].externalId, 70 + i);
  }
  EXPECT_EQ(heard.kernels[0].graphNodeId, heard.kernels[1].graphNodeId);
  OK(cuGraphExecDestroy(exec));
  OK(cuGraphDestroy(graph));
  free_blocks();
}

TEST_F(CudasimCupti, WhatHasNoRoomIsCounted) {
  int *memory = allocate<int>(1);
  heard.buffer_bytes = sizeof(CUpti_ActivityMemset4) - 8;
  OK(cuMemsetD32Async(at(memory), 1, 1, a));
  OK(cuStreamSynchronize(a));
  stop();
  size_t dropped = 0;
  CUPTI_OK(cuptiActivityGetNumDroppedRecords(nullptr, 0, &dropped));
  EXPECT_TRUE(heard.fills.empty());
  EXPECT_EQ(heard.calls.size(), 1u); // which are smaller
  EXPECT_EQ(dropped, 1u);
  CUPTI_OK(cuptiActivityGetNumDroppedRecords(nullptr, 0, &dropped));
  EXPECT_EQ(dropped, 0u);
  free_blocks();
}

TEST_F(CudasimCupti, ABufferTakesNoMoreRecordsThanWasSaid) {
  heard.most = 1;
  OK(launch(a, "first_kernel", 1, 1, [] {}));
  OK(launch(a, "second_kernel", 1, 1, [] {}));
  OK(cuStreamSynchronize(a));
  stop();
  EXPECT_EQ(heard.kernels.size(), 2u);
  EXPECT_EQ(heard.calls.size(), 2u);
}

TEST_F(CudasimCupti, WhatIsDisabledOrUnknownIsRefused) {
  CUPTI_OK(cuptiActivityDisable(CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL));
  OK(launch(a, "quiet_kernel", 1, 1, [] {}));
  OK(cuStreamSynchronize(a));
  stop();
  EXPECT_TRUE(heard.kernels.empty());
  EXPECT_EQ(heard.calls.size(), 1u);
  EXPECT_EQ(cuptiActivityEnable(CUPTI_ACTIVITY_KIND_INVALID), CUPTI_ERROR_INVALID_KIND);
  uint32_t id = 0;
  EXPECT_EQ(cuptiGetContextId(nullptr, &id), CUPTI_ERROR_INVALID_CONTEXT);
  EXPECT_EQ(cuptiGetStreamIdEx(context, reinterpret_cast<CUstream>(&id), 0, &id), CUPTI_ERROR_INVALID_STREAM);
  CUpti_Activity *record = nullptr;
  EXPECT_EQ(cuptiActivityGetNextRecord(nullptr, 8, &record), CUPTI_ERROR_INVALID_PARAMETER);
  const char *text = nullptr;
  CUPTI_OK(cuptiGetResultString(CUPTI_ERROR_INVALID_KIND, &text));
  EXPECT_EQ(text, std::string("CUPTI_ERROR_INVALID_KIND"));
}

} // namespace

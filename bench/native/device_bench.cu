// What a CUDA device and its driver can do without us: copies, a kernel that only copies, launches one by one and
// as a graph. Writes JSON with every repetition. --tiny: sizes for a run that only shows that it works.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include <cuda.h>

#include "kernels/cuda/launch.cuh"

namespace {

using aios::cuda::Dim3;
using aios::cuda::launch;

void check(bool good, const char *what) {
  if (good)
    return;
  std::fprintf(stderr, "device_bench: %s failed: %s\n", what, aios_last_error());
  std::exit(1);
}
void check(CUresult error, const char *what) {
  check(error == CUDA_SUCCESS, what);
}
#define CALL(call) check(call, #call)

__global__ void copy_kernel(const uint4 *from, uint4 *to, size_t count) {
  size_t step = static_cast<size_t>(gridDim.x) * blockDim.x;
  for (size_t i = static_cast<size_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += step)
    to[i] = from[i];
}

__global__ void empty_kernel(int *) {}

constexpr int kWarmUps = 3, kRepetitions = 20;
CUstream stream;
bool first = true;

/// One line: the times of all repetitions in seconds, and what a repetition did.
void print(const char *name, const char *unit, double amount, const std::vector<double> &seconds) {
  std::vector<double> sorted = seconds;
  std::sort(sorted.begin(), sorted.end());
  double median = sorted[sorted.size() / 2];
  std::printf(
      "%s\n  {\"name\": \"%s\", \"unit\": \"%s\", \"amount\": %.17g, \"median_s\": %.9g, \"per_s\": %.6g, \"s\": [",
      first ? "" : ",", name, unit, amount, median, amount / median);
  for (size_t i = 0; i < seconds.size(); ++i)
    std::printf("%s%.9g", i == 0 ? "" : ", ", seconds[i]);
  std::printf("]}");
  std::fflush(stdout);
  first = false;
}

/// Time on the device, by events.
void on_device(const char *name, const char *unit, double amount, const std::function<void()> &work) {
  CUevent begin, end;
  CALL(cuEventCreate(&begin, CU_EVENT_DEFAULT));
  CALL(cuEventCreate(&end, CU_EVENT_DEFAULT));
  std::vector<double> seconds;
  for (int i = -kWarmUps; i < kRepetitions; ++i) {
    CALL(cuEventRecord(begin, stream));
    work();
    CALL(cuEventRecord(end, stream));
    CALL(cuEventSynchronize(end));
    float milliseconds;
    CALL(cuEventElapsedTime(&milliseconds, begin, end));
    if (i >= 0)
      seconds.push_back(static_cast<double>(milliseconds) * 1e-3);
  }
  CALL(cuEventDestroy(begin));
  CALL(cuEventDestroy(end));
  print(name, unit, amount, seconds);
}

/// Time of the calling thread, until `work` returns; what it enqueued is waited for outside.
void on_host(const char *name, const char *unit, double amount, const std::function<void()> &work) {
  std::vector<double> seconds;
  for (int i = -kWarmUps; i < kRepetitions; ++i) {
    auto begin = std::chrono::steady_clock::now();
    work();
    std::chrono::duration<double> passed = std::chrono::steady_clock::now() - begin;
    CALL(cuStreamSynchronize(stream));
    if (i >= 0)
      seconds.push_back(passed.count());
  }
  print(name, unit, amount, seconds);
}

void copies(size_t bytes, size_t host_bytes) {
  CUdeviceptr from, to;
  void *pinned;
  CALL(cuMemAlloc(&from, bytes));
  CALL(cuMemAlloc(&to, bytes));
  CALL(cuMemHostAlloc(&pinned, host_bytes, 0));
  std::memset(pinned, 1, host_bytes);
  CALL(cuMemsetD8(from, 1, bytes));
  auto moved = 2.0 * static_cast<double>(bytes), host_moved = static_cast<double>(host_bytes);
  on_device("copy within the device, cuMemcpyDtoDAsync (read and written)", "bytes", moved,
            [&] { CALL(cuMemcpyDtoDAsync(to, from, bytes, stream)); });
  for (unsigned blocks : {132u * 8, 132u * 16, 132u * 64})
    on_device(("copy within the device, kernel of " + std::to_string(blocks) + " blocks (read and written)").c_str(),
              "bytes", moved, [&] {
                check(launch(reinterpret_cast<aios_stream>(stream), "copy_kernel", Dim3(blocks), Dim3(256), 0,
                             copy_kernel, reinterpret_cast<const uint4 *>(from), reinterpret_cast<uint4 *>(to),
                             bytes / sizeof(uint4)) == AIOS_STATUS_OK,
                      "copy_kernel");
              });
  on_device("fill, cuMemsetD8Async (written)", "bytes", static_cast<double>(bytes),
            [&] { CALL(cuMemsetD8Async(to, 2, bytes, stream)); });
  on_device("pinned memory to the device", "bytes", host_moved,
            [&] { CALL(cuMemcpyHtoDAsync(to, pinned, host_bytes, stream)); });
  on_device("device to pinned memory", "bytes", host_moved,
            [&] { CALL(cuMemcpyDtoHAsync(pinned, from, host_bytes, stream)); });
  CALL(cuMemFreeHost(pinned));
  CALL(cuMemFree(from));
  CALL(cuMemFree(to));
}

void launches(int count) {
  auto many = [&] {
    for (int i = 0; i < count; ++i)
      check(launch(reinterpret_cast<aios_stream>(stream), "empty_kernel", Dim3(1), Dim3(32), 0, empty_kernel,
                   nullptr) == AIOS_STATUS_OK,
            "empty_kernel");
  };
  on_host("launches enqueued", "launches", count, many);
  on_device("launches of empty kernels in one stream", "launches", count, many);
  on_host("one launch and a wait for it", "round trips", 1, [&] {
    check(launch(reinterpret_cast<aios_stream>(stream), "empty_kernel", Dim3(1), Dim3(32), 0, empty_kernel, nullptr) ==
              AIOS_STATUS_OK,
          "empty_kernel");
    CALL(cuStreamSynchronize(stream));
  });
  CUgraph graph;
  CUgraphExec executable;
  CALL(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
  many();
  CALL(cuStreamEndCapture(stream, &graph));
  CALL(cuGraphInstantiateWithFlags(&executable, graph, 0));
  on_host("replay of a graph enqueued", "nodes", count, [&] { CALL(cuGraphLaunch(executable, stream)); });
  on_device("replay of a graph of empty kernels", "nodes", count, [&] { CALL(cuGraphLaunch(executable, stream)); });
  CALL(cuGraphExecDestroy(executable));
  CALL(cuGraphDestroy(graph));
}

} // namespace

int main(int count, char **arguments) {
  bool tiny = count == 2 && std::strcmp(arguments[1], "--tiny") == 0;
  if (count > 1 && !tiny) {
    std::fprintf(stderr, "usage: device_bench [--tiny]\n");
    return 2;
  }
  CUcontext context;
  char name[256] = {};
  int driver = 0;
  CALL(cuInit(0));
  CALL(cuDevicePrimaryCtxRetain(&context, 0));
  CALL(cuCtxSetCurrent(context));
  CALL(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
  CALL(cuDeviceGetName(name, sizeof name, 0));
  CALL(cuDriverGetVersion(&driver));
  std::printf("{\"device\": \"%s\", \"driver\": %d, \"results\": [", name, driver);
  copies(tiny ? size_t{1} << 20 : size_t{4} << 30, tiny ? size_t{1} << 16 : size_t{256} << 20);
  launches(tiny ? 10 : 1000);
  std::printf("\n]}\n");
  CALL(cuStreamDestroy(stream));
  CALL(cuDevicePrimaryCtxRelease(0));
}

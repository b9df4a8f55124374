// Golden files: what an instruction leaves behind on real hardware, which the simulator must reproduce. A case is a
// micro-kernel with inputs made from the case's name; only its results are kept. This header is what the files with
// cases include; they compile with nvcc and, against the simulator, as C++.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "device.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/ptx.cuh"
#include "random.h"
#include "result.h"

namespace golden {

using aios::cuda::Dim3;
using aios::cuda::Shape;
using aios::cuda::Shared;
using namespace aios::cuda::ptx;

/// One run of a case: its inputs, launches and results.
class Run {
public:
  /// `name` is the family's and the case's: "mma/bf16.random".
  Run(Device &device, const std::string &name) : random(name), device_(device), name_(name) {}

  /// Where the inputs come from.
  Random random;

  /// A copy on the device. Inputs are hashed, so that a file tells when they have changed since it was written.
  template <class T> T *input(const std::vector<T> &values) {
    inputs_ = hash(values.data(), values.size() * sizeof(T), inputs_);
    return static_cast<T *>(device_.copy_in(values.data(), values.size() * sizeof(T)));
  }
  /// Elements on the device that a kernel is going to write; 0xCD in every byte before.
  template <class T> T *buffer(size_t count) { return input(std::vector<T>(count, pattern<T>(0xCDCDCDCDCDCDCDCDu))); }

  template <class... P> void launch(const Shape &shape, void (*kernel)(P...), std::type_identity_t<P>... arguments) {
    if (aios::cuda::launch(nullptr, name_.c_str(), shape, kernel, arguments...) != AIOS_STATUS_OK)
      throw Failure(aios_last_error());
  }
  template <class... P>
  void launch(Dim3 grid, Dim3 block, size_t shared_bytes, void (*kernel)(P...), std::type_identity_t<P>... arguments) {
    launch(Shape{grid, block, shared_bytes}, kernel, arguments...);
  }

  /// A tensor map of the driver.
  TensorMap map(const MapSpec &spec) {
    TensorMap map;
    device_.encode_map(&map, spec);
    return map;
  }

  /// Waits for the launches and keeps `count` elements. A `tolerance` of 0 means bit for bit, except that all NaN of
  /// binary32 are one; otherwise it is the greatest absolute difference.
  template <class T> void result(const T *elements, size_t count, double tolerance = 0) {
    std::vector<unsigned char> bytes(count * sizeof(T));
    device_.copy_out(bytes.data(), elements, bytes.size());
    results_.push_back(make_result(number_of<T>(), std::move(bytes), tolerance));
  }

  const std::vector<Result> &results() const { return results_; }
  uint32_t inputs() const { return inputs_; }

private:
  template <class T> static T pattern(uint64_t bits) {
    T value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
  }

  Device &device_;
  std::string name_;
  uint32_t inputs_ = 0;
  std::vector<Result> results_;
};

struct Case {
  std::string name; ///< within its family, as words with dots between them
  int capability;   ///< the least compute capability that has its instructions: 80, 89, 90
  std::function<void(Run &)> run;
};

struct Family {
  std::string name;
  std::vector<Case> cases;

  template <class Body> void add(std::string name_, int capability, Body run) {
    cases.push_back({std::move(name_), capability, std::move(run)});
  }
};

/// All cases, the most valuable family first.
std::vector<Family> families();

/// Runs one case.
Run run_case(Device &device, const Family &family, const Case &which);

} // namespace golden

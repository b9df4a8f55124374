// aios_adamw, aios_sgd and aios_global_norm against double.
#include "kernel_test.h"

using namespace kernel_test;

namespace {

/// Tensors of these sizes, one of them larger than a chunk.
const std::vector<int64_t> kSizes = {0, 1, 15, 16, 17, 31, 70, 32767, 32768, 32769, 100003, 3};

template <class T> struct Parameters {
  std::vector<Buffer<T>> param, grad;
  std::vector<Buffer<float>> m, v;
  Buffer<float> scale{1, 0.5};
  explicit Parameters(uint64_t seed = 11) {
    Random random(seed);
    for (const int64_t n : kSizes) {
      param.push_back(random.buffer<T>(n));
      grad.push_back(random.buffer<T>(n));
      m.push_back(random.buffer<float>(n, -0.1, 0.1));
      v.push_back(random.buffer<float>(n, 0.0, 0.1));
    }
  }
  double decay(size_t i) const { return i % 2 ? 0.1 : 0.0; }
  std::vector<aios_adamw_tensor> adamw() {
    std::vector<aios_adamw_tensor> t;
    for (size_t i = 0; i < kSizes.size(); i++)
      t.push_back(
          {param[i].data(), grad[i].data(), nullptr, m[i].data(), v[i].data(), kSizes[i], decay(i), Type<T>::dtype});
    return t;
  }
  std::vector<aios_sgd_tensor> sgd() {
    std::vector<aios_sgd_tensor> t;
    for (size_t i = 0; i < kSizes.size(); i++)
      t.push_back({param[i].data(), grad[i].data(), nullptr, i % 3 ? m[i].data() : nullptr, kSizes[i], decay(i),
                   Type<T>::dtype});
    return t;
  }
};

template <class T> class OptimizerTest : public testing::Test {};
TYPED_TEST_SUITE(OptimizerTest, FloatTypes);

TYPED_TEST(OptimizerTest, AdamWMatchesTheFormula) {
  for (const int64_t step : {1, 2, 1000}) {
    Stream s;
    const Parameters<TypeParam> before;
    Parameters<TypeParam> after;
    const double lr = 1e-2, b1 = 0.9, b2 = 0.95, eps = 1e-8;
    const auto tensors = after.adamw();
    s.run(
        aios_adamw(s, tensors.data(), after.scale.data(), static_cast<int64_t>(tensors.size()), step, lr, b1, b2, eps));
    for (size_t t = 0; t < kSizes.size(); t++)
      for (int64_t i = 0; i < kSizes[t]; i++) {
        const double g = before.grad[t][i] * 0.5;
        const double m = b1 * before.m[t][i] + (1 - b1) * g, v = b2 * before.v[t][i] + (1 - b2) * g * g;
        const double root = std::sqrt(v) / std::sqrt(1 - std::pow(b2, static_cast<double>(step))) + eps;
        const double p = before.param[t][i] * (1 - lr * before.decay(t)) -
                         lr / (1 - std::pow(b1, static_cast<double>(step))) * m / root;
        expect_close(after.m[t][i], m, 4, 0.1);
        expect_close(after.v[t][i], v, 4);
        expect_close(after.param[t][i], p, 4, 0.1);
      }
  }
}

TYPED_TEST(OptimizerTest, SgdMatchesTheFormula) {
  for (const int64_t step : {1, 2}) {
    Stream s;
    const Parameters<TypeParam> before;
    Parameters<TypeParam> after;
    const auto tensors = after.sgd();
    s.run(aios_sgd(s, tensors.data(), after.scale.data(), static_cast<int64_t>(tensors.size()), step, 0.1, 0.9));
    for (size_t t = 0; t < kSizes.size(); t++)
      for (int64_t i = 0; i < kSizes[t]; i++) {
        const double g = before.grad[t][i] * 0.5 + before.decay(t) * before.param[t][i];
        const double u = t % 3 && step > 1 ? 0.9 * before.m[t][i] + g : g;
        expect_close(after.param[t][i], before.param[t][i] - 0.1 * u, 4, 1);
        if (t % 3)
          expect_close(after.m[t][i], u, 4, 1);
      }
  }
}

TYPED_TEST(OptimizerTest, GlobalNormMatchesTheFormula) {
  Parameters<TypeParam> p;
  std::vector<aios_norm_tensor> tensors;
  double sum = 0;
  int64_t total = 0;
  for (size_t t = 0; t < kSizes.size(); t++) {
    tensors.push_back({p.grad[t].data(), kSizes[t], Type<TypeParam>::dtype});
    total += kSizes[t];
    for (int64_t i = 0; i < kSizes[t]; i++)
      sum += static_cast<double>(p.grad[t][i]) * p.grad[t][i];
  }
  const int64_t count = static_cast<int64_t>(tensors.size());
  const Workspace workspace(aios_global_norm_workspace_size(count, total));
  Buffer<float> first(2);
  for (const int threads : {1, 4})
    for (const double max_norm : {0.0, 1.0, 1e6}) {
      Threads restore(threads);
      Stream s;
      Buffer<float> out(2);
      s.run(
          aios_global_norm(s, out.data(), tensors.data(), workspace.data(), workspace.bytes(), count, total, max_norm));
      expect_close(out[0], std::sqrt(sum), 1.01);
      expect_close(out[1], max_norm == 1.0 ? 1.0 / (std::sqrt(sum) + 1e-6) : 1.0, 1.01);
      if (threads == 1)
        first[0] = out[0];
      EXPECT_EQ(out[0], first[0]);
    }
}

TEST(OptimizerArguments, AreChecked) {
  Stream s;
  expect_refused(aios_adamw(s, nullptr, nullptr, 0, 0, 1e-3, 0.9, 0.99, 1e-8), AIOS_STATUS_INVALID_ARGUMENT,
                 "aios_adamw: step must be >= 1, got 0");
  expect_refused(aios_adamw(s, nullptr, nullptr, 0, 1, 1e-3, 1.0, 0.99, 1e-8), AIOS_STATUS_INVALID_ARGUMENT,
                 "betas must be >= 0 and < 1");
  expect_refused(aios_sgd(s, nullptr, nullptr, -1, 1, 1e-3, 0.9), AIOS_STATUS_INVALID_ARGUMENT,
                 "aios_sgd: count must be >= 0, got -1");
  expect_refused(aios_global_norm(s, nullptr, nullptr, nullptr, 0, 1, 1, 1.0), AIOS_STATUS_INVALID_ARGUMENT,
                 "workspace needs 8 bytes");
  float x[4] = {};
  const aios_sgd_tensor half = {x, x, nullptr, nullptr, 4, 0.0, AIOS_DTYPE_F16};
  ASSERT_EQ(aios_sgd(s, &half, nullptr, 1, 1, 0.1, 0.0), AIOS_STATUS_OK);
  EXPECT_EQ(aios_cpu_stream_synchronize(s), AIOS_STATUS_UNIMPLEMENTED);
}

} // namespace

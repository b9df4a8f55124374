// aios_softmax and its gradient against double.
#include "kernel_test.h"

using namespace kernel_test;

namespace {

template <class T> class SoftmaxTest : public testing::Test {};
TYPED_TEST_SUITE(SoftmaxTest, FloatTypes);

TYPED_TEST(SoftmaxTest, MatchesTheFormulaAtEverySize) {
  Stream s;
  Random random(13);
  std::vector<int64_t> sizes = ragged_sizes();
  for (const int64_t n : {4095, 4096, 4097, 9001})
    sizes.push_back(n);
  const aios_dtype dtype = Type<TypeParam>::dtype;
  for (const int64_t cols : sizes) {
    SCOPED_TRACE(cols);
    const int64_t rows = 3;
    const Buffer<TypeParam> a = random.buffer<TypeParam>(rows * cols, -6, 6);
    const Buffer<TypeParam> dout = random.buffer<TypeParam>(rows * cols);
    Buffer<TypeParam> out(rows * cols), da(rows * cols), in_place = a, gradient = dout;
    s.run(aios_softmax(s, out.data(), a.data(), rows, cols, dtype));
    s.run(aios_softmax_backward(s, da.data(), dout.data(), out.data(), rows, cols, dtype));
    s.run(aios_softmax(s, in_place.data(), in_place.data(), rows, cols, dtype));
    s.run(aios_softmax_backward(s, gradient.data(), gradient.data(), out.data(), rows, cols, dtype));
    EXPECT_TRUE(in_place.same_bits(out));
    EXPECT_TRUE(gradient.same_bits(da));
    for (int64_t r = 0; r < rows; r++) {
      double top = -INFINITY, sum = 0, dot = 0;
      for (int64_t c = 0; c < cols; c++)
        top = std::max(top, static_cast<double>(a[r * cols + c]));
      for (int64_t c = 0; c < cols; c++) {
        sum += std::exp(a[r * cols + c] - top);
        dot += static_cast<double>(out[r * cols + c]) * static_cast<double>(dout[r * cols + c]);
      }
      for (int64_t c = 0; c < cols; c++) {
        const int64_t i = r * cols + c;
        expect_close(out[i], std::exp(a[i] - top) / sum, 16);
        expect_close(da[i], static_cast<double>(out[i]) * (static_cast<double>(dout[i]) - dot), 4,
                     4 * static_cast<double>(out[i]));
      }
    }
    if (this->HasFailure())
      return;
  }
}

TEST(SoftmaxValues, MaskedAndHugeEntries) {
  Stream s;
  for (const int64_t cols : {5, 40, 5000}) {
    Buffer<float> a(3 * cols, -INFINITY), out(3 * cols);
    a[0] = 1, a[cols - 1] = 1;
    a[cols + 2] = 3e38f, a[cols] = -3e38f;
    s.run(aios_softmax(s, out.data(), a.data(), 3, cols, AIOS_DTYPE_F32));
    EXPECT_EQ(out[0], 0.5f);
    EXPECT_EQ(out[1], 0.0f);
    EXPECT_EQ(out[cols + 2], 1.0f);
    EXPECT_EQ(out[cols], 0.0f);
    EXPECT_TRUE(std::isnan(out[2 * cols])); // a row without a finite entry has no softmax
  }
}

TEST(SoftmaxArguments, AreChecked) {
  Stream s;
  float x[4] = {};
  expect_refused(aios_softmax(s, x, x, 1, -4, AIOS_DTYPE_F32), AIOS_STATUS_INVALID_ARGUMENT,
                 "aios_softmax: cols must be >= 0, got -4");
  expect_refused(aios_softmax_backward(s, x, x, x, 1, 4, AIOS_DTYPE_F16), AIOS_STATUS_UNIMPLEMENTED,
                 "aios_softmax_backward: dtype 1");
}

} // namespace

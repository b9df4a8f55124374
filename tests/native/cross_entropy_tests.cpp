// aios_cross_entropy and its gradient against double.
#include "kernel_test.h"

using namespace kernel_test;

namespace {

template <class T> struct Case {
  int64_t rows, classes, ld;
  Buffer<T> logits, dlogits;
  Buffer<int32_t> targets;
  Buffer<float> loss, lse, dloss;
  Workspace workspace;

  Case(int64_t rows_, int64_t classes_, int64_t ld_)
      : rows(rows_), classes(classes_), ld(ld_), logits(Random(3).buffer<T>(rows * ld, -8.0, 8.0)), dlogits(rows * ld),
        targets(rows), loss(2), lse(rows), dloss(1, 0.75),
        workspace(aios_cross_entropy_workspace_size(rows, classes, Type<T>::dtype)) {
    Random random(5);
    for (int64_t r = 0; r < rows; r++)
      targets[r] = r % 5 == 3 ? -1 : static_cast<int32_t>(random.below(classes));
  }
  aios_status forward(aios_stream s) {
    return aios_cross_entropy(s, loss.data(), lse.data(), logits.data(), targets.data(), workspace.data(),
                              workspace.bytes(), rows, classes, ld, Type<T>::dtype);
  }
  aios_status backward(aios_stream s, T *to) {
    return aios_cross_entropy_backward(s, to, dloss.data(), loss.data(), lse.data(), logits.data(), targets.data(),
                                       rows, classes, ld, Type<T>::dtype);
  }
  void check() const {
    double total = 0;
    int64_t count = 0;
    std::vector<double> logsum;
    for (int64_t r = 0; r < rows; r++) {
      double top = -INFINITY, sum = 0;
      for (int64_t c = 0; c < classes; c++)
        top = std::max(top, static_cast<double>(logits[r * ld + c]));
      for (int64_t c = 0; c < classes; c++)
        sum += std::exp(logits[r * ld + c] - top);
      logsum.push_back(top + std::log(sum));
      expect_close(lse[r], logsum.back(), 4, 8);
      if (targets[r] >= 0) {
        total += logsum.back() - logits[r * ld + targets[r]];
        count++;
      }
    }
    EXPECT_EQ(loss[1], static_cast<float>(count));
    expect_close(loss[0], total / static_cast<double>(count), 6, 8);
    for (int64_t r = 0; r < rows; r++)
      for (int64_t c = 0; c < classes; c++) {
        const double p = std::exp(logits[r * ld + c] - logsum[static_cast<size_t>(r)]);
        const double d = targets[r] < 0 ? 0.0 : (p - (c == targets[r])) * 0.75 / static_cast<double>(count);
        // The binary32 of lse and of the difference, both up to 32, cost this many units of the exponential.
        expect_close(dlogits[r * ld + c], d, 64, c == targets[r] ? 1.0 / static_cast<double>(count) : 0.0);
      }
  }
};

template <class T> class CrossEntropyTest : public testing::Test {};
TYPED_TEST_SUITE(CrossEntropyTest, FloatTypes);

TYPED_TEST(CrossEntropyTest, MatchesTheFormulaAtEverySize) {
  Stream s;
  for (const int64_t classes : ragged_sizes()) {
    if (classes == 0)
      continue;
    SCOPED_TRACE(classes);
    Case<TypeParam> c(7, classes, classes + classes % 3);
    s.run(c.forward(s));
    s.run(c.backward(s, c.dlogits.data()));
    c.check();
    Buffer<TypeParam> in_place = c.logits;
    s.run(aios_cross_entropy_backward(s, in_place.data(), c.dloss.data(), c.loss.data(), c.lse.data(), in_place.data(),
                                      c.targets.data(), c.rows, c.classes, c.ld, Type<TypeParam>::dtype));
    for (int64_t r = 0; r < c.rows; r++)
      EXPECT_EQ(0, std::memcmp(in_place.data() + r * c.ld, c.dlogits.data() + r * c.ld,
                               sizeof(TypeParam) * static_cast<size_t>(classes)));
    if (this->HasFailure())
      return;
  }
}

TYPED_TEST(CrossEntropyTest, LongRowsAreCutAndBitsDoNotDependOnTheWorkers) {
  Stream s;
  Case<TypeParam> one(4, 50257, 50257), four(4, 50257, 50257);
  {
    Threads threads(1);
    s.run(one.forward(s));
    s.run(one.backward(s, one.dlogits.data()));
  }
  one.check();
  Threads threads(4);
  s.run(four.forward(s));
  s.run(four.backward(s, four.dlogits.data()));
  EXPECT_TRUE(one.loss.same_bits(four.loss));
  EXPECT_TRUE(one.lse.same_bits(four.lse));
  EXPECT_TRUE(one.dlogits.same_bits(four.dlogits));
}

TEST(CrossEntropyValues, ExtremesStayFinite) {
  Stream s;
  Case<float> c(2, 40, 40);
  for (int64_t i = 0; i < 40; i++) {
    c.logits[i] = i == 39 ? 1e30f : -1e30f;
    c.logits[40 + i] = i < 20 ? -INFINITY : 2.0f;
  }
  c.targets[0] = 39;
  c.targets[1] = 30;
  s.run(c.forward(s));
  EXPECT_EQ(c.lse[0], 1e30f);
  EXPECT_FLOAT_EQ(c.lse[1], 2.0f + std::log(20.0f));
  EXPECT_FLOAT_EQ(c.loss[0], std::log(20.0f) / 2.0f);
}

TEST(CrossEntropyValues, NoRowsGiveNaN) {
  Stream s;
  Case<float> c(3, 10, 10);
  for (int64_t r = 0; r < 3; r++)
    c.targets[r] = -1;
  s.run(c.forward(s));
  EXPECT_TRUE(std::isnan(c.loss[0]));
  EXPECT_EQ(c.loss[1], 0.0f);
  s.run(c.backward(s, c.dlogits.data()));
  for (int64_t i = 0; i < 30; i++)
    EXPECT_EQ(c.dlogits[i], 0.0f);
}

TEST(CrossEntropyErrors, NameTheTarget) {
  Case<float> c(3, 10, 10);
  c.targets[1] = 10;
  {
    Stream s;
    s.run_failing(c.forward(s), "aios_cross_entropy: targets[1] is 10, but there are 10 classes");
  }
  {
    Stream s;
    s.run_failing(c.backward(s, c.dlogits.data()), "targets[1] is 10");
  }
  Stream s;
  expect_refused(aios_cross_entropy(s, c.loss.data(), c.lse.data(), c.logits.data(), c.targets.data(), nullptr, 0, 3,
                                    10, 9, AIOS_DTYPE_F32),
                 AIOS_STATUS_INVALID_ARGUMENT, "ld must be >= classes (10), got 9");
}

} // namespace

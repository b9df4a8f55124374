// aios_reduce and aios_argmax against plain loops in double.
#include "kernel_test.h"

using namespace kernel_test;

namespace {

struct Shape {
  int64_t outer, n, inner;
};

std::vector<Shape> shapes() {
  std::vector<Shape> all = {{1, 200003, 1}, {3, 70000, 1}, {1, 3000, 300}, {2, 700, 5}, {1, 70000, 2}, {50, 40, 257}};
  for (const int64_t n : ragged_sizes()) {
    all.push_back({3, n, 1});
    all.push_back({2, 5, n});
  }
  for (const int64_t n : {0, 1, 2, 7})
    for (const int64_t inner : {0, 1, 2, 15, 16, 17, 63, 64, 65, 255, 256, 257})
      for (const int64_t outer : {0, 1, 3})
        all.push_back({outer, n, inner});
  return all;
}

template <class T> class ReduceTest : public testing::Test {
public:
  Stream stream;

  Buffer<T> reduce(const Shape &p, const Buffer<T> &a, aios_reduce_op op, bool add = false) {
    const aios_dtype dtype = Type<T>::dtype;
    const Workspace workspace(aios_reduce_workspace_size(p.outer, p.n, p.inner, op, dtype));
    Buffer<T> out(p.outer * p.inner, 3.0);
    stream.run(aios_reduce(stream, out.data(), a.data(), workspace.data(), workspace.bytes(), p.outer, p.n, p.inner, op,
                           add, dtype));
    return out;
  }

  Buffer<int32_t> argmax(const Shape &p, const Buffer<T> &a) {
    Buffer<int32_t> out(p.outer * p.inner);
    stream.run(aios_argmax(stream, out.data(), a.data(), p.outer, p.n, p.inner, Type<T>::dtype));
    return out;
  }
};
TYPED_TEST_SUITE(ReduceTest, FloatTypes);

TYPED_TEST(ReduceTest, MatchesPlainLoops) {
  Random random(8);
  for (const Shape &p : shapes()) {
    SCOPED_TRACE(testing::Message() << p.outer << ' ' << p.n << ' ' << p.inner);
    const Buffer<TypeParam> a = random.buffer<TypeParam>(p.outer * p.n * p.inner);
    const auto sum = this->reduce(p, a, AIOS_REDUCE_SUM), more = this->reduce(p, a, AIOS_REDUCE_SUM, true);
    const auto mean = this->reduce(p, a, AIOS_REDUCE_MEAN);
    const auto top = this->reduce(p, a, AIOS_REDUCE_MAX), low = this->reduce(p, a, AIOS_REDUCE_MIN);
    Buffer<int32_t> index(p.outer * p.inner);
    if (p.n > 0)
      index = this->argmax(p, a);
    for (int64_t o = 0; o < p.outer; o++)
      for (int64_t i = 0; i < p.inner; i++) {
        double s = 0, hi = -INFINITY, lo = INFINITY;
        int64_t best = 0;
        for (int64_t r = 0; r < p.n; r++) {
          const double x = a[(o * p.n + r) * p.inner + i];
          s += x;
          lo = std::min(lo, x);
          if (x > hi) {
            hi = x;
            best = r;
          }
        }
        const int64_t at = o * p.inner + i;
        // A double sum in another order is off by far less than the rounding of the result.
        expect_close(sum[at], s, 1.01, 1e-6);
        expect_close(more[at], s + 3, 1.01, 1e-6);
        expect_close(mean[at], s / static_cast<double>(p.n), 1.01, 1e-6);
        EXPECT_EQ(static_cast<double>(top[at]), hi);
        EXPECT_EQ(static_cast<double>(low[at]), lo);
        if (p.n > 0) {
          EXPECT_EQ(index[at], best);
        }
      }
    if (this->HasFailure())
      return;
  }
}

TYPED_TEST(ReduceTest, FindsNaNAnywhere) {
  for (const Shape &p : {Shape{1, 67, 1}, Shape{1, 67, 3}, Shape{1, 70000, 1}})
    for (const int64_t at : {int64_t{0}, int64_t{1}, int64_t{16}, int64_t{66}, p.n - 1}) {
      Buffer<TypeParam> a(p.n * p.inner, 1.0);
      for (int64_t i = 0; i < p.inner; i++)
        a[at * p.inner + i] = static_cast<TypeParam>(NAN);
      a[(p.n / 2) * p.inner] = static_cast<TypeParam>(INFINITY);
      if (at == p.n / 2)
        continue;
      for (const aios_reduce_op op : {AIOS_REDUCE_SUM, AIOS_REDUCE_MAX, AIOS_REDUCE_MIN})
        EXPECT_TRUE(std::isnan(static_cast<double>(this->reduce(p, a, op)[0]))) << op << ' ' << at;
      EXPECT_EQ(this->argmax(p, a)[0], at);
    }
}

TYPED_TEST(ReduceTest, BitsDoNotDependOnTheWorkers) {
  for (const Shape &p : {Shape{1, 300007, 1}, Shape{2, 5000, 130}}) {
    const Buffer<TypeParam> a = Random(6).buffer<TypeParam>(p.outer * p.n * p.inner);
    Buffer<TypeParam> first(0);
    for (const int workers : {1, 2, 5}) {
      Threads threads(workers);
      Buffer<TypeParam> out = this->reduce(p, a, AIOS_REDUCE_SUM);
      if (workers == 1)
        first = std::move(out);
      else
        EXPECT_TRUE(out.same_bits(first));
    }
  }
}

TEST(ReduceArguments, AreChecked) {
  Stream s;
  float x[4] = {};
  expect_refused(aios_reduce(s, x, x, nullptr, 0, 1, 4, 1, 4, 0, AIOS_DTYPE_F32), AIOS_STATUS_INVALID_ARGUMENT,
                 "aios_reduce: op must be 0 to 3, got 4");
  expect_refused(aios_reduce(s, x, x, nullptr, 0, 1, 4, 1, AIOS_REDUCE_MAX, 1, AIOS_DTYPE_F32),
                 AIOS_STATUS_INVALID_ARGUMENT, "accumulate is for SUM and MEAN");
  expect_refused(aios_reduce(s, x, x, nullptr, 0, 1, 1 << 20, 1, AIOS_REDUCE_SUM, 0, AIOS_DTYPE_F32),
                 AIOS_STATUS_INVALID_ARGUMENT, "aios_reduce: workspace needs");
  int32_t index[1];
  expect_refused(aios_argmax(s, index, x, 1, 0, 1, AIOS_DTYPE_F32), AIOS_STATUS_INVALID_ARGUMENT,
                 "aios_argmax: n must be 1 to 2147483647, got 0");
}

} // namespace

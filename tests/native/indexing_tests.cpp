// aios_gather, aios_scatter_add and aios_fill.
#include "kernel_test.h"

using namespace kernel_test;

namespace {

template <class T> class IndexingTest : public testing::Test {};
TYPED_TEST_SUITE(IndexingTest, FloatTypes);

TYPED_TEST(IndexingTest, GatherAndScatterMatchTheirDefinition) {
  Random random(2);
  Stream s;
  struct Shape {
    int64_t outer, axis, inner, count;
  };
  std::vector<Shape> shapes = {{1, 1, 1, 1},     {2, 5, 1, 9},    {3, 4, 7, 0},
                               {1, 50, 700, 90}, {40, 3, 65, 31}, {1, 9, 3, 20000}};
  for (const int64_t inner : ragged_sizes())
    shapes.push_back({2, 6, inner, 11});
  for (const Shape &p : shapes) {
    SCOPED_TRACE(testing::Message() << p.outer << ' ' << p.axis << ' ' << p.inner << ' ' << p.count);
    const Buffer<TypeParam> a = random.integers<TypeParam>(p.outer * p.axis * p.inner);
    const Buffer<TypeParam> up = random.integers<TypeParam>(p.outer * p.count * p.inner, 1);
    Buffer<int32_t> ids(p.count);
    for (int64_t j = 0; j < p.count; j++)
      ids[j] = static_cast<int32_t>(random.below(p.axis));
    Buffer<TypeParam> out(p.outer * p.count * p.inner), sums = a;
    s.run(aios_gather(s, out.data(), a.data(), ids.data(), p.outer, p.axis, p.inner, p.count, Type<TypeParam>::dtype));
    s.run(aios_scatter_add(s, sums.data(), up.data(), ids.data(), p.outer, p.axis, p.inner, p.count,
                           Type<TypeParam>::dtype));
    // A row is summed in binary32 and rounded once.
    Buffer<float> exact(a.size());
    Buffer<TypeParam> expected(a.size());
    for (int64_t i = 0; i < a.size(); i++)
      exact[i] = static_cast<float>(a[i]);
    for (int64_t o = 0; o < p.outer; o++)
      for (int64_t j = 0; j < p.count; j++)
        for (int64_t i = 0; i < p.inner; i++) {
          const int64_t at = (o * p.axis + ids[j]) * p.inner + i, from = (o * p.count + j) * p.inner + i;
          ASSERT_EQ(static_cast<double>(out[from]), static_cast<double>(a[at]));
          exact[at] += static_cast<float>(up[from]);
        }
    for (int64_t i = 0; i < a.size(); i++)
      expected[i] = TypeParam(exact[i]);
    EXPECT_TRUE(sums.same_bits(expected));
  }
}

TYPED_TEST(IndexingTest, ScatterAddsInTheOrderOfTheIdsOnAnyWorkers) {
  Random random(4);
  const Buffer<TypeParam> up = random.buffer<TypeParam>(3000 * 70);
  Buffer<int32_t> ids(3000);
  for (int64_t j = 0; j < 3000; j++)
    ids[j] = static_cast<int32_t>(random.below(7));
  Buffer<float> exact(7 * 70);
  for (int64_t j = 0; j < 3000; j++)
    for (int64_t i = 0; i < 70; i++)
      exact[ids[j] * 70 + i] += static_cast<float>(up[j * 70 + i]);
  Buffer<TypeParam> expected(7 * 70);
  for (int64_t i = 0; i < expected.size(); i++)
    expected[i] = TypeParam(exact[i]);
  for (const int workers : {1, 2, 5}) {
    Threads threads(workers);
    Stream s;
    Buffer<TypeParam> out(7 * 70);
    s.run(aios_scatter_add(s, out.data(), up.data(), ids.data(), 1, 7, 70, 3000, Type<TypeParam>::dtype));
    EXPECT_TRUE(out.same_bits(expected)) << workers;
  }
}

TEST(IndexingErrors, NameTheId) {
  Buffer<float> a(12), out(12);
  Buffer<int32_t> ids(3);
  ids[2] = 4;
  {
    Stream s;
    s.run_failing(aios_gather(s, out.data(), a.data(), ids.data(), 1, 4, 3, 3, AIOS_DTYPE_F32),
                  "aios_gather: ids[2] is 4, but the axis has 4 rows");
  }
  ids[2] = 0, ids[1] = -1;
  Stream s;
  s.run_failing(aios_scatter_add(s, out.data(), a.data(), ids.data(), 1, 4, 3, 3, AIOS_DTYPE_F32),
                "aios_scatter_add: ids[1] is -1");
  Stream other;
  expect_refused(aios_gather(other, nullptr, nullptr, nullptr, 1, 4, -3, 3, AIOS_DTYPE_F32),
                 AIOS_STATUS_INVALID_ARGUMENT, "aios_gather: inner must be >= 0, got -3");
}

TEST(Fill, WritesEveryElementAndNoMore) {
  Stream s;
  for (const int64_t n : ragged_sizes()) {
    Buffer<float> f(n);
    Buffer<Bf16> b(n);
    Buffer<uint16_t> h(n);
    Buffer<int32_t> i(n);
    s.run(aios_fill(s, f.data(), n, 0.1, AIOS_DTYPE_F32));
    s.run(aios_fill(s, b.data(), n, 0.1, AIOS_DTYPE_BF16));
    s.run(aios_fill(s, h.data(), n, -1.5, AIOS_DTYPE_F16));
    s.run(aios_fill(s, i.data(), n, -7.9, AIOS_DTYPE_I32));
    for (int64_t k = 0; k < n; k++) {
      EXPECT_EQ(f[k], 0.1f);
      EXPECT_EQ(b[k].bits, Bf16(0.1).bits);
      EXPECT_EQ(h[k], 0xbe00);
      EXPECT_EQ(i[k], -7);
    }
    if (n > 1) { // a start that is only aligned to its element
      Buffer<uint16_t> odd(n);
      s.run(aios_fill(s, odd.data() + 1, n - 1, 1.0, AIOS_DTYPE_BF16));
      EXPECT_EQ(odd[0], 0);
      for (int64_t k = 1; k < n; k++)
        EXPECT_EQ(odd[k], 0x3f80);
    }
  }
  const int64_t large = (int64_t{8} << 20) + 13; // stored past the caches
  Buffer<float> f(large);
  s.run(aios_fill(s, f.data(), large, 3.0, AIOS_DTYPE_F32));
  int64_t wrong = 0;
  for (int64_t k = 0; k < large; k++)
    wrong += f[k] != 3.0f;
  EXPECT_EQ(wrong, 0);
  expect_refused(aios_fill(s, f.data(), 1, 3e9, AIOS_DTYPE_I32), AIOS_STATUS_INVALID_ARGUMENT, "does not fit");
}

} // namespace

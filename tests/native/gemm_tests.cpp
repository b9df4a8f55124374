// aios_gemm against sums in binary64.
#include <string>
#include <tuple>
#include <vector>

#include "kernel_test.h"

namespace {

using namespace kernel_test;

struct Case {
  int64_t m, n, k, batch = 1;
  bool trans_a = false, trans_b = false;
  aios_epilogue epilogue = AIOS_EPILOGUE_NONE;
  bool aux = false, in_place_residual = false, share_a = false, share_b = false, share_residual = false;
  float alpha = 1.0f, beta = 0.0f;
  int pad = 0;      ///< What the row pitches have beyond the rows.
  int integers = 0; ///< Inputs are integers up to this; 0 for reals.
  bool packed = false;

  std::string name() const {
    return "m=" + std::to_string(m) + " n=" + std::to_string(n) + " k=" + std::to_string(k) +
           " batch=" + std::to_string(batch) + " trans=" + std::to_string(trans_a) + std::to_string(trans_b) +
           " epilogue=" + std::to_string(epilogue) + " alpha=" + std::to_string(alpha) +
           " beta=" + std::to_string(beta) + " pad=" + std::to_string(pad) + (packed ? " packed" : "");
  }
};

/// Elements of a matrix of `rows` rows of `length` with a row pitch, and of the following ones of a batch.
int64_t extent(int64_t rows, int64_t length, int64_t pitch, int64_t batch, int64_t stride) {
  return rows == 0 || length == 0 || batch == 0 ? 0 : (batch - 1) * stride + (rows - 1) * pitch + length;
}

template <class In, class Out> class Product {
public:
  explicit Product(const Case &test)
      : t(test), d(describe(test)), a(size_a()), b(size_b()), c(size_c()), before(c.size()),
        aux(test.aux ? c.size() : 0), bias(test.n), residual(size_residual()) {
    Random random(static_cast<uint64_t>(t.m * 131 + t.n * 31 + t.k * 7 + t.batch));
    a = random.values<In>(size_a(), t.integers);
    b = random.values<In>(size_b(), t.integers);
    before = random.values<Out>(size_c(), t.integers);
    bias = random.values<Out>(t.n, t.integers);
    residual = random.values<Out>(size_residual(), t.integers);
  }

  void run(const Stream &stream) {
    std::memcpy(c.data(), before.data(), c.bytes());
    aios_gemm_desc launched = d;
    const Workspace packed(t.packed ? aios_gemm_packed_size(&d) : 0);
    if (t.packed) {
      stream.run(aios_gemm_pack(stream, packed.data(), b.data(), &d));
      launched.packed_b = 1;
      launched.ldb = 0; // of no account any more
    }
    const Workspace workspace(aios_gemm_workspace_size(&launched));
    const void *from = t.in_place_residual ? c.data() : residual.data();
    stream.run(aios_gemm(stream, c.data(), t.aux ? aux.data() : nullptr, a.data(), t.packed ? packed.data() : b.data(),
                         bias.data(), from, workspace.data(), workspace.bytes(), &launched));
  }

  /// Compares every element of C and aux, those between the rows included.
  void expect_right() const {
    int64_t next = 0;
    std::vector<double> left(static_cast<size_t>(t.k)), right(static_cast<size_t>(t.n * t.k)); // right: [column][k]
    for (int64_t batch = 0; batch < t.batch; ++batch) {
      for (int64_t at = 0; at < t.n * t.k; ++at) {
        const int64_t j = at / t.k, k = at % t.k;
        right[static_cast<size_t>(at)] = double(b[batch * d.stride_b + (t.trans_b ? j * d.ldb + k : k * d.ldb + j)]);
      }
      for (int64_t i = 0; i < t.m; ++i) {
        for (int64_t k = 0; k < t.k; ++k)
          left[static_cast<size_t>(k)] = double(a[batch * d.stride_a + (t.trans_a ? k * d.lda + i : i * d.lda + k)]);
        for (int64_t j = 0; j < t.n; ++j) {
          const int64_t at = batch * d.stride_c + i * d.ldc + j;
          for (; next < at; ++next)
            ASSERT_EQ(double(c[next]), double(before[next])) << t.name() << ": wrote beyond a row, at " << next;
          ++next;
          if (!expect_element(batch, i, j, at, left.data(), right.data() + j * t.k))
            return;
        }
      }
    }
  }

  const Case t;
  aios_gemm_desc d;
  Buffer<In> a, b;
  Buffer<Out> c, before, aux, bias, residual;

private:
  static aios_gemm_desc describe(const Case &t) {
    aios_gemm_desc d{};
    d.m = t.m;
    d.n = t.n;
    d.k = t.k;
    d.batch = t.batch;
    d.lda = (t.trans_a ? t.m : t.k) + t.pad;
    d.ldb = (t.trans_b ? t.k : t.n) + t.pad;
    d.ldc = t.n + t.pad;
    d.ldr = t.n + 2 * t.pad;
    d.stride_a = t.share_a ? 0 : (t.trans_a ? t.k : t.m) * d.lda;
    d.stride_b = t.share_b ? 0 : (t.trans_b ? t.n : t.k) * d.ldb;
    d.stride_c = t.m * d.ldc + t.pad;
    d.stride_r = t.share_residual ? 0 : t.m * d.ldr;
    if (t.in_place_residual) {
      d.ldr = d.ldc;
      d.stride_r = d.stride_c;
    }
    d.trans_a = t.trans_a;
    d.trans_b = t.trans_b;
    d.epilogue = t.epilogue;
    d.dtype = Type<In>::dtype;
    d.out_dtype = Type<Out>::dtype;
    d.alpha = t.alpha;
    d.beta = t.beta;
    return d;
  }

  int64_t size_a() const {
    return t.trans_a ? extent(t.k, t.m, d.lda, t.batch, d.stride_a) : extent(t.m, t.k, d.lda, t.batch, d.stride_a);
  }
  int64_t size_b() const {
    return t.trans_b ? extent(t.n, t.k, d.ldb, t.batch, d.stride_b) : extent(t.k, t.n, d.ldb, t.batch, d.stride_b);
  }
  int64_t size_c() const { return extent(t.m, t.n, d.ldc, t.batch, d.stride_c); }
  int64_t size_residual() const { return extent(t.m, t.n, d.ldr, t.batch, d.stride_r); }

  /// Compares C[i, j], which lies at `at`, with the product of a row of A and a column of B.
  bool expect_element(int64_t batch, int64_t i, int64_t j, int64_t at, const double *left, const double *right) const {
    double sum = 0, magnitude = 0;
    for (int64_t k = 0; k < t.k; ++k) {
      const double product = left[k] * right[k];
      sum += product;
      magnitude += std::abs(product);
    }
    double x = static_cast<double>(t.alpha) * sum;
    double bound = std::abs(static_cast<double>(t.alpha)) * magnitude;
    if (t.beta != 0.0f)
      x += static_cast<double>(t.beta) * double(before[at]);
    if (t.epilogue & AIOS_EPILOGUE_BIAS)
      x += double(bias[j]);
    bound += std::abs(x) + 1;
    const double linear = x;
    if (t.epilogue & AIOS_EPILOGUE_GELU_TANH)
      x = 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    if (t.epilogue & AIOS_EPILOGUE_RESIDUAL)
      x += t.in_place_residual ? double(before[at]) : double(residual[batch * d.stride_r + i * d.ldr + j]);
    // Integers are exact as long as the epilogue is; else the sums err by at most k roundings of their magnitude.
    const bool exact = t.integers != 0 && !(t.epilogue & AIOS_EPILOGUE_GELU_TANH);
    const double tolerance =
        exact ? 0 : bound * 0x1p-24 * static_cast<double>(t.k + 8) + 1.01 * Type<Out>::rounding * std::abs(x);
    const double error = std::abs(double(c[at]) - x);
    EXPECT_TRUE(error <= tolerance) << t.name() << " at " << batch << ", " << i << ", " << j << ": " << double(c[at])
                                    << " instead of " << x;
    if (!(error <= tolerance))
      return false;
    if (t.aux && (t.epilogue & AIOS_EPILOGUE_GELU_TANH)) {
      const double aux_tolerance = t.integers != 0 ? 0 : tolerance + 1.01 * Type<Out>::rounding * std::abs(linear);
      EXPECT_NEAR(double(aux[at]), linear, aux_tolerance) << t.name() << ": aux";
    }
    return true;
  }
};

template <class In, class Out> void check(const Stream &stream, const Case &test) {
  Product<In, Out> product(test);
  product.run(stream);
  if (!testing::Test::HasFatalFailure())
    product.expect_right();
}

constexpr bool kBooleans[] = {false, true};

TEST(Gemm, EverySmallShapeAndTransposeIsExactOnIntegers) {
  Stream stream;
  for (int64_t m : {1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17})
    for (int64_t n : {1, 2, 3, 4, 5, 8, 15, 16, 17, 23, 24, 25, 47, 48, 49, 97})
      for (int64_t k : {1, 2, 3, 4, 7, 8, 16, 17, 33})
        for (bool trans_a : kBooleans)
          for (bool trans_b : kBooleans) {
            Case test{.m = m, .n = n, .k = k, .trans_a = trans_a, .trans_b = trans_b};
            test.integers = 8;
            test.pad = static_cast<int>((m + n + k) % 3);
            check<float, float>(stream, test);
            if (HasFailure())
              return;
          }
}

TEST(Gemm, LongSumsCrossEveryBlockOfK) {
  Stream stream;
  for (int64_t k : {255, 256, 257, 300, 511, 513, 4095, 4096, 4097, 9000})
    for (int64_t m : {3, 11})
      for (bool trans : kBooleans) {
        Case test{.m = m, .n = 50, .k = k, .trans_a = trans, .trans_b = !trans};
        test.integers = 3;
        test.alpha = 2.0f;
        test.beta = -1.0f;
        check<float, float>(stream, test);
        test.integers = 0;
        check<float, float>(stream, test);
      }
}

TEST(Gemm, ManyRowsAndColumnsCrossEveryBlock) {
  Stream stream;
  for (const auto &[m, n, k] : {std::tuple<int64_t, int64_t, int64_t>{700, 200, 40},
                                {65, 1000, 70},
                                {9000, 10, 300},
                                {300, 60, 5000},
                                {2100, 33, 1100}})
    for (bool trans : kBooleans) {
      Case test{.m = m, .n = n, .k = k, .trans_a = !trans, .trans_b = trans};
      test.integers = 4;
      test.beta = 1.0f;
      check<float, float>(stream, test);
    }
}

TEST(Gemm, EpiloguesApplyInTheirOrder) {
  Stream stream;
  for (aios_epilogue epilogue = 0; epilogue < 8; ++epilogue)
    for (int64_t m : {1, 2, 4, 6, 21})
      for (int64_t n : {1, 30, 100})
        for (int64_t k : {0, 5, 260}) {
          Case test{.m = m, .n = n, .k = k, .epilogue = epilogue};
          test.trans_b = n == 30;
          test.aux = m != 4;
          test.alpha = 0.5f;
          test.beta = m == 6 ? 0.25f : 0.0f;
          test.pad = 3;
          test.integers = epilogue == AIOS_EPILOGUE_GELU_TANH ? 0 : 4;
          check<float, float>(stream, test);
          test.in_place_residual = true;
          check<float, float>(stream, test);
          test.integers = 0;
          check<Bf16, float>(stream, test);
          check<Bf16, Bf16>(stream, test);
        }
}

TEST(Gemm, BatchesMayShareTheirOperands) {
  Stream stream;
  for (int shared = 0; shared < 8; ++shared)
    for (int64_t m : {5, 20})
      for (int64_t batch : {2, 5}) {
        Case test{.m = m, .n = 37, .k = 19, .batch = batch, .epilogue = AIOS_EPILOGUE_RESIDUAL};
        test.share_a = (shared & 1) != 0;
        test.share_b = (shared & 2) != 0;
        test.share_residual = (shared & 4) != 0;
        test.trans_b = m == 5;
        test.integers = 5;
        test.pad = 2;
        check<float, float>(stream, test);
      }
  Case large{.m = 300, .n = 20, .k = 900, .batch = 11, .integers = 3}; // several phases
  check<float, float>(stream, large);
}

TEST(Gemm, Bfloat16InputsAreExactOnIntegers) {
  Stream stream;
  for (int64_t m : {1, 7, 40})
    for (int64_t n : {3, 50})
      for (bool trans_a : kBooleans)
        for (bool trans_b : kBooleans) {
          Case test{.m = m, .n = n, .k = 70, .trans_a = trans_a, .trans_b = trans_b};
          test.integers = 3;
          check<Bf16, float>(stream, test);
          test.integers = 0;
          check<Bf16, Bf16>(stream, test);
        }
}

TEST(Gemm, PackedRightOperandsAreWhatTheyWereMadeOf) {
  Stream stream;
  for (const auto &[m, n, k] : {std::tuple<int64_t, int64_t, int64_t>{1, 1, 1},
                                {1, 50, 300},
                                {7, 17, 33},
                                {8, 49, 192},
                                {9, 48, 193},
                                {33, 97, 70},
                                {300, 60, 2100},
                                {3, 5, 0},
                                {0, 5, 3}})
    for (bool trans : kBooleans)
      for (int64_t batch = 1; batch <= (m == 300 ? 1 : 3); batch += 2) { // the largest once: emulated sums take minutes
        Case test{.m = m, .n = n, .k = k, .batch = batch, .trans_a = !trans && m != 7, .trans_b = trans};
        test.epilogue = AIOS_EPILOGUE_BIAS;
        test.share_b = m == 7;
        test.beta = m == 9 ? 1.0f : 0.0f;
        test.pad = static_cast<int>(m % 3);
        test.packed = true;
        test.integers = 3;
        check<float, float>(stream, test);
        check<Bf16, float>(stream, test);
        test.integers = 0;
        check<float, float>(stream, test);
        check<Bf16, Bf16>(stream, test);
        if (HasFailure())
          return;
      }
}

TEST(Gemm, NothingIsWrittenForEmptyProductsAndBetaZeroIgnoresC) {
  Stream stream;
  for (const auto &[m, n, batch] : {std::tuple<int64_t, int64_t, int64_t>{0, 5, 1}, {5, 0, 1}, {5, 5, 0}, {0, 0, 0}}) {
    Case test{.m = m, .n = n, .k = 4, .batch = batch};
    check<float, float>(stream, test);
  }
  for (int64_t m : {2, 30}) {
    Product<float, float> product(Case{.m = m, .n = 60, .k = 10, .integers = 4});
    for (int64_t i = 0; i < product.before.size(); ++i)
      product.before[i] = NAN;
    product.run(stream);
    product.expect_right();
  }
}

TEST(Gemm, TheNumberOfWorkersChangesNoBit) {
  for (const auto &[m, n, k] : {std::tuple<int64_t, int64_t, int64_t>{256, 300, 700},
                                {8, 1000, 900},
                                {70, 50, 5000},
                                {1, 700, 333},
                                {2000, 100, 64}})
    for (bool trans : kBooleans) {
      const Case test{.m = m, .n = n, .k = k, .trans_b = trans};
      Product<float, float> one(test), many(test);
      {
        Threads threads(1);
        Stream stream;
        one.run(stream);
      }
      for (int count : {2, 5}) {
        Threads threads(count);
        Stream stream;
        many.run(stream);
        EXPECT_TRUE(many.c.same_bits(one.c)) << test.name() << " with " << count << " workers";
      }
    }
}

TEST(Gemm, BadArgumentsAreRefused) {
  Stream stream;
  Product<float, float> p(Case{.m = 10, .n = 10, .k = 1000});
  const Workspace workspace(aios_gemm_workspace_size(&p.d));
  const auto launch = [&](const aios_gemm_desc &d, int64_t bytes) {
    return aios_gemm(stream, p.c.data(), nullptr, p.a.data(), p.b.data(), nullptr, nullptr, workspace.data(), bytes,
                     &d);
  };
  EXPECT_EQ(launch(p.d, workspace.bytes() - 1), AIOS_STATUS_INVALID_ARGUMENT);
  aios_gemm_desc d = p.d;
  d.lda = 999;
  EXPECT_EQ(launch(d, workspace.bytes()), AIOS_STATUS_INVALID_ARGUMENT);
  EXPECT_STREQ(aios_last_error(), "gemm: lda is 999; a row has 1000 elements");
  EXPECT_EQ(aios_gemm_workspace_size(&d), -AIOS_STATUS_INVALID_ARGUMENT);
  d = p.d;
  d.m = -1;
  EXPECT_EQ(launch(d, workspace.bytes()), AIOS_STATUS_INVALID_ARGUMENT);
  d = p.d;
  d.epilogue = AIOS_EPILOGUE_BIAS;
  EXPECT_EQ(launch(d, workspace.bytes()), AIOS_STATUS_INVALID_ARGUMENT);
  d = p.d;
  d.epilogue = 8;
  EXPECT_EQ(launch(d, workspace.bytes()), AIOS_STATUS_INVALID_ARGUMENT);
  d = p.d;
  d.dtype = AIOS_DTYPE_F16;
  EXPECT_EQ(launch(d, workspace.bytes()), AIOS_STATUS_UNIMPLEMENTED);
  d = p.d;
  d.out_dtype = AIOS_DTYPE_BF16;
  EXPECT_EQ(launch(d, workspace.bytes()), AIOS_STATUS_UNIMPLEMENTED);
  EXPECT_EQ(stream.synchronize(), AIOS_STATUS_OK);
}

} // namespace

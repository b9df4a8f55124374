// aios_unary, aios_unary_backward and aios_binary: the accuracy of the vector functions over the whole range of float,
// and every way of laying out buffers, against double and plain indexing.
#include <functional>

#include "kernel_test.h"

using namespace kernel_test;

namespace {

double sigma(double x) {
  return 1 / (1 + std::exp(-x));
}
double phi(double x) {
  return 0.5 * std::erfc(-x * std::sqrt(0.5));
}
double density(double x) {
  return std::exp(-0.5 * x * x) / std::sqrt(2 * M_PI);
}
double inner(double x) {
  return std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x);
}

struct Function {
  const char *name;
  aios_unary_op op;
  double units;          // allowed error of the value, in units of 2^-24 of it
  double low, high;      // where that holds
  double backward_units; // of the derivative, in units of 2^-24 of max(1, it)
  std::function<double(double)> value, derivative;
};

const std::vector<Function> &functions() {
  const double inf = INFINITY;
  static const std::vector<Function> all = {
      {"copy", AIOS_UNARY_COPY, 0, -inf, inf, 0, [](double x) { return x; }, [](double) { return 1.0; }},
      {"affine", AIOS_UNARY_AFFINE, 2, 0, 1e30, 0, [](double x) { return 1.5 * x + 0.25; }, [](double) { return 1.5; }},
      {"abs", AIOS_UNARY_ABS, 0, -inf, inf, 0, [](double x) { return std::fabs(x); },
       [](double x) { return x > 0   ? 1.0
                             : x < 0 ? -1.0
                                     : x; }},
      {"square", AIOS_UNARY_SQUARE, 1, -inf, inf, 0, [](double x) { return x * x; }, [](double x) { return 2 * x; }},
      {"sqrt", AIOS_UNARY_SQRT, 1, 0, inf, 4, [](double x) { return std::sqrt(x); },
       [](double x) { return 0.5 / std::sqrt(x); }},
      {"rsqrt", AIOS_UNARY_RSQRT, 3, 0, inf, 6, [](double x) { return 1 / std::sqrt(x); },
       [](double x) { return -0.5 / std::sqrt(x) / x; }},
      {"reciprocal", AIOS_UNARY_RECIPROCAL, 1, -inf, inf, 4, [](double x) { return 1 / x; },
       [](double x) { return -1 / x / x; }},
      {"exp", AIOS_UNARY_EXP, 2, -inf, inf, 2, [](double x) { return std::exp(x); },
       [](double x) { return std::exp(x); }},
      {"log", AIOS_UNARY_LOG, 2, -inf, inf, 1, [](double x) { return std::log(x); }, [](double x) { return 1 / x; }},
      {"tanh", AIOS_UNARY_TANH, 3, -inf, inf, 8, [](double x) { return std::tanh(x); },
       [](double x) { return 1 / (std::cosh(x) * std::cosh(x)); }},
      {"sigmoid", AIOS_UNARY_SIGMOID, 6, -inf, inf, 8, sigma, [](double x) { return sigma(x) * sigma(-x); }},
      {"relu", AIOS_UNARY_RELU, 0, -inf, inf, 0, [](double x) { return x > 0    ? x
                                                                       : x <= 0 ? 0
                                                                                : x; },
       [](double x) { return x > 0 ? 1.0 : 0.0; }},
      {"gelu", AIOS_UNARY_GELU, 16, -12.5, 1e30, 16, [](double x) { return x * phi(x); },
       [](double x) { return phi(x) + (std::fabs(x) < 30 ? x * density(x) : 0); }},
      // The argument of exp reaches 20 where this ends, and its rounding is a relative error of the result.
      {"gelu_tanh", AIOS_UNARY_GELU_TANH, 64, -4, 1e12, 32, [](double x) { return x * sigma(2 * inner(x)); },
       [](double x) {
         if (std::fabs(x) > 30)
           return x > 0 ? 1.0 : 0.0;
         const double s = sigma(2 * inner(x));
         return s + x * s * (1 - s) * 2 * std::sqrt(2 / M_PI) * (1 + 3 * 0.044715 * x * x);
       }},
      {"silu", AIOS_UNARY_SILU, 8, -80, 1e30, 16, [](double x) { return x * sigma(x); },
       [](double x) { return sigma(x) + (std::fabs(x) < 200 ? x * sigma(x) * sigma(-x) : 0); }},
  };
  return all;
}

aios_elementwise_desc dense(int64_t n, aios_dtype dtype) {
  aios_elementwise_desc d = {};
  d.rank = 1;
  d.dtype = dtype;
  d.shape[0] = n;
  d.out_stride[0] = d.a_stride[0] = d.b_stride[0] = 1;
  d.alpha = 1.5f;
  d.beta = 0.25f;
  return d;
}

/// Every 20011th float there is, and the ones that are special.
Buffer<float> all_floats() {
  std::vector<float> list = {0.0f,   -0.0f,    INFINITY, -INFINITY,       NAN,           1.0f,
                             -1.0f,  1e-45f,   -1e-45f,  1.17549435e-38f, 88.72284f,     88.73f,
                             -87.4f, -103.97f, -104.0f,  0.625f,          3.4028234e38f, -3.4028234e38f};
  for (uint64_t b = 0; b < (1ull << 32); b += 20011) {
    const uint32_t u = static_cast<uint32_t>(b);
    float f;
    std::memcpy(&f, &u, sizeof f);
    list.push_back(f);
  }
  Random random(1);
  for (int i = 0; i < 40000; i++)
    list.push_back(static_cast<float>(random.uniform(-10, 10)));
  Buffer<float> b(static_cast<int64_t>(list.size()));
  std::memcpy(b.data(), list.data(), b.bytes());
  return b;
}

TEST(VectorMath, IsAccurateOverTheWholeRange) {
  Stream s;
  const Buffer<float> x = all_floats();
  Buffer<float> y(x.size());
  const aios_elementwise_desc d = dense(x.size(), AIOS_DTYPE_F32);
  for (const Function &f : functions()) {
    SCOPED_TRACE(f.name);
    s.run(aios_unary(s, y.data(), x.data(), f.op, &d));
    double worst = 0;
    float where = 0;
    for (int64_t i = 0; i < x.size(); i++) {
      const double expected = f.value(x[i]);
      if (std::isnan(expected)) {
        EXPECT_TRUE(std::isnan(y[i])) << x[i];
        continue;
      }
      if (!(x[i] >= f.low && x[i] <= f.high))
        continue;
      const double limit = std::fabs(static_cast<double>(static_cast<float>(expected)));
      if (std::isinf(limit) || std::isinf(y[i])) {
        // The last floats before overflow may round to infinity.
        EXPECT_TRUE(std::isinf(y[i]) ? std::fabs(expected) > 3.40281e38 && (y[i] > 0) == (expected > 0)
                                     : y[i] > 3.4028e38f)
            << x[i] << " gave " << y[i];
        continue;
      }
      const double unit = std::max(std::fabs(expected) * 0x1p-24, 0x1p-149);
      const double error = std::fabs(y[i] - expected) / unit;
      if (!(error <= worst)) {
        worst = error;
        where = x[i];
      }
    }
    EXPECT_LE(worst, f.units) << "at " << where;
  }
}

TEST(VectorMath, DerivativesAreAccurate) {
  Stream s;
  const Buffer<float> x = all_floats();
  const Buffer<float> ones(x.size(), 1.0);
  Buffer<float> y(x.size());
  const aios_elementwise_desc d = dense(x.size(), AIOS_DTYPE_F32);
  for (const Function &f : functions()) {
    SCOPED_TRACE(f.name);
    s.run(aios_unary_backward(s, y.data(), ones.data(), x.data(), f.op, &d));
    for (int64_t i = 0; i < x.size(); i++) {
      if (std::isnan(x[i]) || (x[i] < 0 && std::isnan(f.value(x[i]))))
        continue;
      const double expected = f.derivative(x[i]);
      const bool ok =
          std::fabs(expected) > 3.4e38
              ? std::isinf(y[i]) || std::fabs(y[i]) > 3.39e38f
              : std::fabs(y[i] - expected) <= f.backward_units * 0x1p-24 * std::max(1.0, std::fabs(expected));
      ASSERT_TRUE(ok || std::isnan(expected)) << x[i] << " gave " << y[i] << " instead of " << expected;
    }
  }
}

TEST(VectorMath, TailsOfGeluVanish) {
  Stream s;
  Buffer<float> x(4), y(4), ones(4, 1.0);
  x[0] = -3e38f, x[1] = -20.0f, x[2] = 3e38f, x[3] = -INFINITY;
  const aios_elementwise_desc d = dense(3, AIOS_DTYPE_F32), all = dense(4, AIOS_DTYPE_F32);
  for (const aios_unary_op op : {AIOS_UNARY_GELU, AIOS_UNARY_GELU_TANH, AIOS_UNARY_SILU}) {
    s.run(aios_unary(s, y.data(), x.data(), op, &d));
    EXPECT_EQ(y[0], 0.0f);
    EXPECT_NEAR(y[1], 0.0f, 1e-6);
    EXPECT_EQ(y[2], 3e38f);
    s.run(aios_unary_backward(s, y.data(), ones.data(), x.data(), op, &all));
    EXPECT_EQ(y[0], 0.0f);
    EXPECT_EQ(y[2], 1.0f);
    EXPECT_EQ(y[3], 0.0f);
  }
}

TEST(VectorMath, Bf16RoundsToNearestEvenAndKeepsNaN) {
  // Affine with factor 1 turns each of these floats, given exactly as a sum of two bf16, into a bf16.
  Stream s;
  for (int64_t n : {1, 7, 16, 33}) {
    Buffer<Bf16> a(n), b(n), out(n);
    Random random(static_cast<uint64_t>(n));
    for (int64_t i = 0; i < n; i++) {
      a[i] = Bf16(i % 5 == 4 ? NAN : 1.0 + static_cast<double>(random.below(128)) / 128);
      b[i] = Bf16(static_cast<double>(random.below(5)) / 512);
    }
    const aios_elementwise_desc d = dense(n, AIOS_DTYPE_BF16);
    s.run(aios_binary(s, out.data(), a.data(), b.data(), AIOS_BINARY_ADD, &d));
    for (int64_t i = 0; i < n; i++)
      if (i % 5 == 4)
        EXPECT_TRUE(std::isnan(static_cast<double>(out[i])));
      else
        EXPECT_EQ(out[i].bits, Bf16(static_cast<double>(a[i]) + static_cast<double>(b[i])).bits);
  }
}

/// A view: a buffer and the strides of each dimension in it.
struct View {
  int64_t offset = 0, length = 1;
  std::vector<int64_t> stride;
};

enum class Layout { Dense, Transposed, Reversed, Broadcast, Spaced, Outer };

View make_view(const std::vector<int64_t> &shape, Layout layout) {
  View v;
  const size_t rank = shape.size();
  v.stride.resize(rank);
  int64_t step = layout == Layout::Spaced ? 3 : 1;
  for (size_t k = 0; k < rank; k++) {
    const size_t d = layout == Layout::Transposed ? k : rank - 1 - k;
    const bool broadcast = (layout == Layout::Broadcast && d + 1 == rank) || (layout == Layout::Outer && d == 0);
    v.stride[d] = broadcast ? 0 : step;
    if (!broadcast)
      step *= shape[d];
  }
  for (size_t d = 0; d < rank; d++) {
    v.length += v.stride[d] * (shape[d] - 1);
    if (layout == Layout::Reversed) {
      v.offset += v.stride[d] * (shape[d] - 1);
      v.stride[d] = -v.stride[d];
    }
  }
  return v;
}

template <class T> class LayoutTest : public testing::Test {};
TYPED_TEST_SUITE(LayoutTest, FloatTypes);

TYPED_TEST(LayoutTest, EveryCombinationIndexesAsStated) {
  Stream s;
  Random random(9);
  const std::vector<std::vector<int64_t>> shapes = {{},
                                                    {1},
                                                    {7},
                                                    {130},
                                                    {3, 5},
                                                    {1, 70},
                                                    {33, 17},
                                                    {40, 70},
                                                    {2, 3, 4},
                                                    {5, 1, 66},
                                                    {20, 3, 35},
                                                    {2, 3, 2, 5},
                                                    {2, 1, 2, 2, 1, 2, 3, 2},
                                                    {300, 150}};
  const Layout inputs[] = {Layout::Dense,     Layout::Transposed, Layout::Reversed,
                           Layout::Broadcast, Layout::Spaced,     Layout::Outer};
  for (const auto &shape : shapes)
    for (const Layout out_layout : {Layout::Dense, Layout::Transposed, Layout::Spaced})
      for (const Layout a_layout : inputs)
        for (const Layout b_layout : inputs) {
          const View o = make_view(shape, out_layout), a = make_view(shape, a_layout), b = make_view(shape, b_layout);
          int64_t total = 1;
          aios_elementwise_desc d = {};
          d.rank = static_cast<int32_t>(shape.size());
          d.dtype = Type<TypeParam>::dtype;
          for (size_t k = 0; k < shape.size(); k++) {
            d.shape[k] = shape[k];
            total *= shape[k];
            d.out_stride[k] = o.stride[k];
            d.a_stride[k] = a.stride[k];
            d.b_stride[k] = b.stride[k];
          }
          const Buffer<TypeParam> x = random.integers<TypeParam>(a.length), y = random.integers<TypeParam>(b.length);
          Buffer<TypeParam> sum(o.length, 99), copy(o.length, 99), back(o.length, 99);
          s.run(aios_binary(s, sum.data(), x.data() + a.offset, y.data() + b.offset, AIOS_BINARY_SUB, &d));
          s.run(aios_unary(s, copy.data(), x.data() + a.offset, AIOS_UNARY_COPY, &d));
          s.run(aios_unary_backward(s, back.data(), y.data() + b.offset, x.data() + a.offset, AIOS_UNARY_SQUARE, &d));
          std::vector<char> written(static_cast<size_t>(o.length));
          for (int64_t i = 0; i < total; i++) {
            int64_t rest = i, po = 0, pa = a.offset, pb = b.offset;
            for (size_t k = shape.size(); k-- > 0;) {
              const int64_t at = rest % shape[k];
              rest /= shape[k];
              po += at * o.stride[k];
              pa += at * a.stride[k];
              pb += at * b.stride[k];
            }
            const double xa = x[pa], yb = y[pb];
            ASSERT_EQ(static_cast<double>(sum[po]), xa - yb) << testing::PrintToString(shape) << i;
            ASSERT_EQ(static_cast<double>(copy[po]), xa);
            ASSERT_EQ(static_cast<double>(back[po]), 2 * xa * yb);
            written[static_cast<size_t>(po)] = 1;
          }
          for (int64_t i = 0; i < o.length; i++)
            if (!written[static_cast<size_t>(i)]) {
              ASSERT_EQ(static_cast<double>(sum[i]), 99.0);
              ASSERT_EQ(static_cast<double>(copy[i]), 99.0);
            }
        }
}

TYPED_TEST(LayoutTest, RaggedSizesAndAliases) {
  Stream s;
  Random random(21);
  for (const int64_t n : ragged_sizes()) {
    const Buffer<TypeParam> a = random.integers<TypeParam>(n), b = random.integers<TypeParam>(n);
    const aios_elementwise_desc d = dense(n, Type<TypeParam>::dtype);
    const auto expect = [&](aios_binary_op op, auto f) {
      Buffer<TypeParam> out(n), left = a, right = b;
      s.run(aios_binary(s, out.data(), a.data(), b.data(), op, &d));
      s.run(aios_binary(s, left.data(), left.data(), b.data(), op, &d));
      s.run(aios_binary(s, right.data(), a.data(), right.data(), op, &d));
      for (int64_t i = 0; i < n; i++)
        EXPECT_EQ(static_cast<double>(out[i]), f(static_cast<double>(a[i]), static_cast<double>(b[i])));
      EXPECT_TRUE(left.same_bits(out));
      EXPECT_TRUE(right.same_bits(out));
    };
    expect(AIOS_BINARY_ADD, [](double x, double y) { return x + y; });
    expect(AIOS_BINARY_SUB, [](double x, double y) { return x - y; });
    expect(AIOS_BINARY_MUL, [](double x, double y) { return x * y; });
    expect(AIOS_BINARY_MAXIMUM, [](double x, double y) { return std::max(x, y); });
    expect(AIOS_BINARY_MINIMUM, [](double x, double y) { return std::min(x, y); });
    expect(AIOS_BINARY_GREATER_EQUAL, [](double x, double y) { return x >= y ? 1.0 : 0.0; });
    expect(AIOS_BINARY_LESS, [](double x, double y) { return x < y ? 1.0 : 0.0; });
    Buffer<TypeParam> q(n), in_place = b;
    s.run(aios_binary(s, q.data(), a.data(), b.data(), AIOS_BINARY_DIV, &d));
    for (int64_t i = 0; i < n; i++)
      expect_close(q[i], static_cast<double>(a[i]) / static_cast<double>(b[i]), 1);
    s.run(aios_unary_backward(s, q.data(), b.data(), a.data(), AIOS_UNARY_GELU, &d));
    s.run(aios_unary_backward(s, in_place.data(), in_place.data(), a.data(), AIOS_UNARY_GELU, &d));
    EXPECT_TRUE(q.same_bits(in_place));
    if (this->HasFailure())
      return;
  }
}

TEST(Binary, MaximumAndMinimumKeepNaN) {
  Stream s;
  Buffer<float> a(3), b(3), out(3);
  a[0] = NAN, b[0] = 1, a[1] = 1, b[1] = NAN, a[2] = -INFINITY, b[2] = 2;
  const aios_elementwise_desc d = dense(3, AIOS_DTYPE_F32);
  s.run(aios_binary(s, out.data(), a.data(), b.data(), AIOS_BINARY_MAXIMUM, &d));
  EXPECT_TRUE(std::isnan(out[0]) && std::isnan(out[1]) && out[2] == 2.0f);
  s.run(aios_binary(s, out.data(), a.data(), b.data(), AIOS_BINARY_MINIMUM, &d));
  EXPECT_TRUE(std::isnan(out[0]) && std::isnan(out[1]) && out[2] == -INFINITY);
}

/// Outputs of 32 MiB and more are stored past the caches; the rows here start and end inside of a vector.
TYPED_TEST(LayoutTest, LargeOutputsAreStoredCompletely) {
  using T = TypeParam;
  Stream s;
  const int64_t rows = 3, cols = (int64_t{32} << 20) / static_cast<int64_t>(sizeof(T)) / rows + 5, pitch = cols + 3;
  Buffer<T> a(rows * pitch, 0), out(rows * pitch, -7);
  for (int64_t i = 0; i < a.size(); i++)
    a[i] = static_cast<T>(static_cast<double>(i % 127));
  aios_elementwise_desc d = {};
  d.rank = 2;
  d.dtype = Type<T>::dtype;
  d.shape[0] = rows;
  d.shape[1] = cols;
  d.out_stride[0] = d.a_stride[0] = pitch;
  d.out_stride[1] = d.a_stride[1] = 1;
  d.alpha = 1;
  d.beta = 1;
  s.run(aios_unary(s, out.data() + 1, a.data() + 1, AIOS_UNARY_AFFINE, &d));
  int64_t wrong = 0;
  for (int64_t i = 0; i < out.size(); i++) {
    const bool inside = i >= 1 && (i - 1) % pitch < cols && (i - 1) / pitch < rows;
    wrong += static_cast<double>(out[i]) != (inside ? static_cast<double>(i % 127) + 1 : -7.0);
  }
  EXPECT_EQ(wrong, 0);
}

/// A transposed copy of whole squares of vectors and of what is left over around them.
TYPED_TEST(LayoutTest, TransposesEverySize) {
  using T = TypeParam;
  Stream s;
  for (const int64_t rows : {1, 15, 16, 33, 64, 129})
    for (const int64_t cols : {1, 16, 31, 64, 257}) {
      Buffer<T> a(rows * cols, 0), out(rows * cols, -1);
      for (int64_t i = 0; i < a.size(); i++)
        a[i] = static_cast<T>(static_cast<double>(i * 7 % 251));
      aios_elementwise_desc d = {};
      d.rank = 2;
      d.dtype = Type<T>::dtype;
      d.shape[0] = rows;
      d.shape[1] = cols;
      d.out_stride[0] = cols;
      d.out_stride[1] = d.a_stride[0] = 1;
      d.a_stride[1] = rows;
      s.run(aios_unary(s, out.data(), a.data(), AIOS_UNARY_COPY, &d));
      int64_t wrong = 0;
      for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < cols; c++)
          wrong += static_cast<double>(out[r * cols + c]) != static_cast<double>(a[c * rows + r]);
      EXPECT_EQ(wrong, 0) << rows << " x " << cols;
    }
}

TEST(ElementwiseArguments, AreChecked) {
  Stream s;
  float x[4] = {};
  aios_elementwise_desc d = dense(4, AIOS_DTYPE_F32);
  expect_refused(aios_unary(s, x, x, 15, &d), AIOS_STATUS_INVALID_ARGUMENT, "aios_unary: op must be 0 to 14, got 15");
  expect_refused(aios_binary(s, x, x, x, -1, &d), AIOS_STATUS_INVALID_ARGUMENT, "op must be 0 to 7, got -1");
  d.rank = 9;
  expect_refused(aios_unary(s, x, x, 0, &d), AIOS_STATUS_INVALID_ARGUMENT, "rank must be 0 to 8, got 9");
  d = dense(-4, AIOS_DTYPE_F32);
  expect_refused(aios_unary(s, x, x, 0, &d), AIOS_STATUS_INVALID_ARGUMENT, "shape[0] must be >= 0, got -4");
  d = dense(4, AIOS_DTYPE_I32);
  expect_refused(aios_unary(s, x, x, 0, &d), AIOS_STATUS_UNIMPLEMENTED, "aios_unary: dtype 3 has no CPU kernel");
}

} // namespace

// aios_layernorm and aios_rmsnorm, forward and backward, against formulas in double.
#include "kernel_test.h"

using namespace kernel_test;

namespace {

/// Everything a norm takes and gives; `centered` is LayerNorm.
template <class T> struct Norm {
  bool centered;
  int64_t rows, cols;
  Buffer<T> x, weight, bias, dout;
  Buffer<T> out, dx, dweight, dbias;
  Buffer<float> mean, rstd;
  Workspace workspace;

  Norm(bool centered_, int64_t rows_, int64_t cols_, Random random = Random(7))
      : centered(centered_), rows(rows_), cols(cols_), x(random.buffer<T>(rows * cols, -1.0, 3.0)),
        weight(random.buffer<T>(cols)), bias(random.buffer<T>(cols)), dout(random.buffer<T>(rows * cols)),
        out(rows * cols), dx(rows * cols, 0.5), dweight(cols, 0.25), dbias(cols, -0.25), mean(rows), rstd(rows),
        workspace(aios_norm_backward_workspace_size(rows, cols, Type<T>::dtype)) {}

  void forward(Stream &s, bool affine = true) {
    const T *w = affine ? weight.data() : nullptr, *b = affine ? bias.data() : nullptr;
    s.run(centered ? aios_layernorm(s, out.data(), mean.data(), rstd.data(), x.data(), w, b, rows, cols, 1e-5f,
                                    Type<T>::dtype)
                   : aios_rmsnorm(s, out.data(), rstd.data(), x.data(), w, rows, cols, 1e-5f, Type<T>::dtype));
  }

  void backward(Stream &s, bool affine, bool add) {
    const T *w = affine ? weight.data() : nullptr;
    T *dw = affine ? dweight.data() : nullptr, *db = affine ? dbias.data() : nullptr;
    s.run(centered ? aios_layernorm_backward(s, dx.data(), dw, db, dout.data(), x.data(), w, mean.data(), rstd.data(),
                                             workspace.data(), workspace.bytes(), rows, cols, add, add, Type<T>::dtype)
                   : aios_rmsnorm_backward(s, dx.data(), dw, dout.data(), x.data(), w, rstd.data(), workspace.data(),
                                           workspace.bytes(), rows, cols, add, add, Type<T>::dtype));
  }

  void check(bool affine, bool add) const {
    if (cols == 0)
      return; // nothing is written
    std::vector<double> dw(static_cast<size_t>(cols), add ? 0.25 : 0.0), db(static_cast<size_t>(cols), add ? -0.25 : 0);
    std::vector<double> size(static_cast<size_t>(cols), 1.0);
    for (int64_t r = 0; r < rows; r++) {
      const T *xr = x.data() + r * cols, *dr = dout.data() + r * cols;
      double mu = 0, var = 0, mg = 0, mgh = 0, largest = 1;
      const double n = static_cast<double>(cols);
      for (int64_t c = 0; c < cols; c++)
        mu += centered ? xr[c] / n : 0.0;
      for (int64_t c = 0; c < cols; c++)
        var += (xr[c] - mu) * (xr[c] - mu) / n;
      const double rs = 1 / std::sqrt(var + 1e-5f);
      for (int64_t c = 0; c < cols; c++) {
        const double g = dr[c] * (affine ? static_cast<double>(weight[c]) : 1.0), h = (xr[c] - mu) * rs;
        largest = std::max(largest, std::fabs(h) * 4);
        mg += centered ? g / n : 0.0;
        mgh += g * h / n;
        dw[static_cast<size_t>(c)] += dr[c] * h;
        db[static_cast<size_t>(c)] += dr[c];
        size[static_cast<size_t>(c)] += std::fabs(dr[c] * h) + std::fabs(dr[c]);
      }
      if (centered)
        expect_close(mean[r], mu, 4, 1);
      expect_close(rstd[r], rs, 8);
      for (int64_t c = 0; c < cols; c++) {
        const double w = affine ? static_cast<double>(weight[c]) : 1.0, h = (xr[c] - mu) * rs;
        const double g = dr[c] * w;
        expect_close(out[r * cols + c], h * w + (affine && centered ? static_cast<double>(bias[c]) : 0.0), 8,
                     std::fabs(h * w) + rs);
        expect_close(dx[r * cols + c], rs * (g - mg - h * mgh) + (add ? 0.5 : 0.0), 24, 1 + rs * 2 * largest);
      }
    }
    for (int64_t c = 0; affine && c < cols; c++) {
      expect_close(dweight[c], dw[static_cast<size_t>(c)], 4, size[static_cast<size_t>(c)]);
      if (centered)
        expect_close(dbias[c], db[static_cast<size_t>(c)], 4, size[static_cast<size_t>(c)]);
    }
  }
};

template <class T> class NormTest : public testing::Test {};
TYPED_TEST_SUITE(NormTest, FloatTypes);

TYPED_TEST(NormTest, MatchesTheFormulasAtEverySize) {
  Stream s;
  for (const bool centered : {true, false})
    for (const int64_t cols : ragged_sizes())
      for (const int64_t rows : {1, 3}) {
        SCOPED_TRACE(testing::Message() << (centered ? "layernorm " : "rmsnorm ") << rows << " x " << cols);
        for (const bool affine : {true, false}) {
          Norm<TypeParam> norm(centered, rows, cols);
          norm.forward(s, affine);
          norm.backward(s, affine, !affine);
          norm.check(affine, !affine);
        }
        if (this->HasFailure())
          return;
      }
}

TYPED_TEST(NormTest, ManyRowsAreSummedInChunks) {
  Stream s;
  for (const bool centered : {true, false}) {
    Norm<TypeParam> norm(centered, 1000, 65);
    norm.forward(s);
    norm.backward(s, true, true);
    norm.check(true, true);
  }
}

TYPED_TEST(NormTest, BitsDoNotDependOnTheWorkers) {
  Stream s;
  Norm<TypeParam> one(true, 700, 97), four(true, 700, 97);
  {
    Threads threads(1);
    one.forward(s);
    one.backward(s, true, false);
  }
  Threads threads(4);
  four.forward(s);
  four.backward(s, true, false);
  EXPECT_TRUE(one.out.same_bits(four.out));
  EXPECT_TRUE(one.dx.same_bits(four.dx));
  EXPECT_TRUE(one.dweight.same_bits(four.dweight));
  EXPECT_TRUE(one.dbias.same_bits(four.dbias));
}

/// Outputs of 32 MiB and more are stored past the caches: the same bits as in place, where they are not.
TYPED_TEST(NormTest, LargeOutputsAreStoredCompletely) {
  Stream s;
  const int64_t cols = 1031, rows = (int64_t{32} << 20) / static_cast<int64_t>(sizeof(TypeParam)) / cols + 1;
  Random random(3);
  Buffer<TypeParam> x = random.buffer<TypeParam>(rows * cols), out(rows * cols);
  const Buffer<TypeParam> weight = random.buffer<TypeParam>(cols);
  s.run(aios_rmsnorm(s, out.data(), nullptr, x.data(), weight.data(), rows, cols, 1e-5f, Type<TypeParam>::dtype));
  s.run(aios_rmsnorm(s, x.data(), nullptr, x.data(), weight.data(), rows, cols, 1e-5f, Type<TypeParam>::dtype));
  EXPECT_TRUE(out.same_bits(x));
}

TYPED_TEST(NormTest, OutMayBeX) {
  Stream s;
  Norm<TypeParam> apart(true, 5, 33);
  apart.forward(s);
  Buffer<TypeParam> x = apart.x;
  s.run(aios_layernorm(s, x.data(), nullptr, nullptr, x.data(), apart.weight.data(), apart.bias.data(), 5, 33, 1e-5f,
                       Type<TypeParam>::dtype));
  EXPECT_TRUE(x.same_bits(apart.out));
}

TEST(NormArguments, AreChecked) {
  Stream s;
  float x[4] = {};
  expect_refused(aios_layernorm(s, x, nullptr, nullptr, x, nullptr, nullptr, -1, 4, 1e-5f, AIOS_DTYPE_F32),
                 AIOS_STATUS_INVALID_ARGUMENT, "aios_layernorm: rows must be >= 0, got -1");
  expect_refused(aios_rmsnorm(s, x, nullptr, x, nullptr, 1, 4, 1e-5f, AIOS_DTYPE_F16), AIOS_STATUS_UNIMPLEMENTED,
                 "aios_rmsnorm: dtype 1");
  expect_refused(aios_layernorm_backward(s, x, x, x, x, x, x, x, x, nullptr, 0, 1, 4, 0, 0, AIOS_DTYPE_F32),
                 AIOS_STATUS_INVALID_ARGUMENT, "workspace needs 32 bytes");
  EXPECT_EQ(aios_norm_backward_workspace_size(1, -1, AIOS_DTYPE_F32), -AIOS_STATUS_INVALID_ARGUMENT);
}

} // namespace

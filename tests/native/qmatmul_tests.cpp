// aios_quantize, aios_dequantize and aios_qmatmul in buffers of exactly their size, so that a sanitizer sees every read
// and write beyond them. The formats' bytes are the conformance suite's business.
#include "kernel_test.h"

using namespace kernel_test;

namespace {

constexpr aios_dtype kFormats[] = {AIOS_DTYPE_I8,   AIOS_DTYPE_F8E4M3, AIOS_DTYPE_F8E5M2, AIOS_DTYPE_I4,
                                   AIOS_DTYPE_Q8_0, AIOS_DTYPE_Q4_0,   AIOS_DTYPE_Q4_1,   AIOS_DTYPE_Q5_0,
                                   AIOS_DTYPE_Q5_1, AIOS_DTYPE_Q2_K,   AIOS_DTYPE_Q3_K,   AIOS_DTYPE_Q4_K,
                                   AIOS_DTYPE_Q5_K, AIOS_DTYPE_Q6_K,   AIOS_DTYPE_IQ4_NL};

/// A quantised matrix with its buffers.
struct Weights {
  Weights(aios_dtype format, int64_t rows, int64_t cols, bool with_zeros)
      : data(static_cast<size_t>(rows * aios_quantized_row_bytes(format, cols))) {
    const bool grouped = format == AIOS_DTYPE_I4;
    const int64_t groups = (cols + 31) / 32;
    scales.resize(static_cast<size_t>(grouped ? rows * groups * 2 : rows * 4));
    zeros.resize(static_cast<size_t>(grouped && with_zeros ? rows * groups : 0));
    matrix = {data.data(), scales.data(), zeros.empty() ? nullptr : zeros.data(), rows, cols, 32, format};
  }

  std::vector<uint8_t> data, scales, zeros;
  aios_qmatrix matrix;
};

TEST(QuantizedMatMul, StaysInItsBuffersAndIsTheProductOfTheDequantisedWeights) {
  Stream s;
  Random random(23);
  int turn = 0;
  for (const aios_dtype format : kFormats)
    for (const int64_t cols : {1, 31, 32, 65, 255, 257, 300, 530})
      for (const int64_t m : {1, 2, 3, 4, 5, 7, 13}) {
        const int64_t rows = 1 + turn++ * 7 % 40;
        const auto dense = random.buffer<float>(rows * cols), a = random.buffer<float>(m * cols),
                   bias = random.buffer<float>(rows);
        Buffer<float> back(rows * cols), c(m * rows);
        const Weights w(format, rows, cols, turn % 2 == 0);
        s.run(aios_quantize(s, &w.matrix, dense.data(), AIOS_DTYPE_F32));
        s.run(aios_dequantize(s, back.data(), &w.matrix, AIOS_DTYPE_F32));
        const Workspace workspace(aios_qmatmul_workspace_size(&w.matrix, m, AIOS_DTYPE_F32));
        s.run(aios_qmatmul(s, c.data(), a.data(), &w.matrix, bias.data(), workspace.data(), workspace.bytes(), m,
                           AIOS_DTYPE_F32));
        for (int64_t i = 0; i < m; i++)
          for (int64_t r = 0; r < rows; r++) {
            // Activations of at most 2 are rounded by at most 1 / 127.
            double sum = bias[r], bound = 1e-4;
            for (int64_t j = 0; j < cols; j++) {
              sum += static_cast<double>(a[i * cols + j]) * static_cast<double>(back[r * cols + j]);
              bound += std::abs(static_cast<double>(back[r * cols + j])) / 127;
            }
            EXPECT_NEAR(c[i * rows + r], sum, bound)
                << "format " << format << ", " << m << " x " << rows << " x " << cols;
          }
        if (HasFailure())
          return;
      }
}

} // namespace

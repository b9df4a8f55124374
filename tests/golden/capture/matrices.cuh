// Cases of ldmatrix and stmatrix: rows at addresses in any order.
#pragma once

#include "golden.cuh"

namespace golden {

constexpr uint32_t kMatrixWords = 4 * 8 * 4; // four matrices of eight rows of 16 bytes

/// Where each lane's row lies: every row once, in random order.
inline std::vector<uint32_t> shuffled_rows(Random &random) {
  std::vector<uint32_t> rows(32);
  for (uint32_t i = 0; i < 32; ++i) {
    uint32_t other = random.below(i + 1);
    rows[i] = rows[other];
    rows[other] = i;
  }
  return rows;
}

template <template <bool, int> class Form> void add_matrix_forms(Family &family, const char *name, int capability) {
  auto add = [&](auto form) {
    using F = decltype(form);
    std::string full = std::string(name) + ".x" + std::to_string(F::count) + (F::transposed ? ".trans" : "");
    family.add(full, capability, [](Run &run) {
      uint32_t *image = run.input(run.random.values<uint32_t>(kMatrixWords));
      uint32_t *rows = run.input(shuffled_rows(run.random));
      uint32_t *out = run.buffer<uint32_t>(kMatrixWords);
      run.launch(Dim3(1), Dim3(32), kMatrixWords * 4, F::kernel(), image, rows, out);
      run.result(out, kMatrixWords);
    });
  };
  add(Form<false, 1>{});
  add(Form<false, 2>{});
  add(Form<false, 4>{});
  add(Form<true, 1>{});
  add(Form<true, 2>{});
  add(Form<true, 4>{});
}

} // namespace golden

// Cases of mma.sync. Lanes get their fragments as they are, so that the place of every element counts.
#pragma once

#include "operands.cuh"

namespace golden {

template <Element E>
__global__ void mma_kernel(const uint32_t *a, const uint32_t *b, const Accumulator<E> *c, Accumulator<E> *d) {
  uint32_t lane = blockIdx.x * 32 + threadIdx.x;
  const uint32_t ra[4] = {a[4 * lane], a[4 * lane + 1], a[4 * lane + 2], a[4 * lane + 3]};
  const uint32_t rb[2] = {b[2 * lane], b[2 * lane + 1]};
  Accumulator<E> sum[4] = {c[4 * lane], c[4 * lane + 1], c[4 * lane + 2], c[4 * lane + 3]};
  mma_m16n8<E>(sum, ra, rb);
  for (uint32_t i = 0; i < 4; ++i)
    d[4 * lane + i] = sum[i];
}

template <Element E> void add_mma(Family &family, int capability) {
  constexpr size_t tiles = 2, lanes = 32 * tiles;
  for (Data data : kinds(E))
    family.add(name_of(E) + "." + name_of(data), capability, [data](Run &run) {
      uint32_t *a = run.input(operand(E, data, true, 4 * lanes, run.random));
      uint32_t *b = run.input(operand(E, data, false, 2 * lanes, run.random));
      Accumulator<E> *c = run.input(accumulators<E>(data, 4 * lanes, run.random));
      Accumulator<E> *d = run.buffer<Accumulator<E>>(4 * lanes);
      run.launch(Dim3(tiles), Dim3(32), 0, mma_kernel<E>, a, b, c, d);
      run.result(d, 4 * lanes, tolerance(E, data, depth(E) + 1));
    });
}

} // namespace golden

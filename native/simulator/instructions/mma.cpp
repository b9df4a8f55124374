#include "mma.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include "../executor/report.h"
#include "../executor/sync.h"
#include "asynchrony.h"
#include "operands.h"

namespace aios::sim {
namespace {

struct MmaOperand {
  Operand type;
  void *d;
  const uint32_t *a, *b;
};

template <class Number> void multiply(Meeting &meeting, Operand type) {
  unsigned pack = packed(type), depth = 8 * pack;
  Number a[16][32], b[32][8];
  for (unsigned lane = 0; lane < kWarpSize; ++lane) {
    const auto &operand = meeting.operand<MmaOperand>(lane);
    unsigned group = lane / 4, quad = lane % 4;
    for (unsigned r = 0; r < 4; ++r)
      for (unsigned e = 0; e < pack; ++e)
        a[group + r % 2 * 8][(quad + r / 2 * 4) * pack + e] = element<Number>(type, operand.a[r], e);
    for (unsigned r = 0; r < 2; ++r)
      for (unsigned e = 0; e < pack; ++e)
        b[(quad + r * 4) * pack + e][group] = element<Number>(type, operand.b[r], e);
  }
  for (unsigned lane = 0; lane < kWarpSize; ++lane) {
    auto *d = static_cast<Number *>(meeting.operand<MmaOperand>(lane).d);
    for (unsigned i = 0; i < 4; ++i) {
      unsigned row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
      for (unsigned k = 0; k < depth; ++k)
        d[i] = accumulate(d[i], a[row][k], b[k][column]);
    }
  }
}

void complete_mma(Meeting &meeting) {
  Operand type = meeting.operand<MmaOperand>(0).type;
  if (type == Operand::s8)
    multiply<int32_t>(meeting, type);
  else
    multiply<float>(meeting, type);
}

struct MatrixOperand {
  uint32_t *fragments; // written by ldmatrix, read by stmatrix
  uint32_t address;
  unsigned count;
  bool transposed;
};

/// Where the 32-bit register of a lane and matrix lies: two halves, which the transposed form takes from two rows.
uint32_t half_address(const Meeting &meeting, unsigned matrix, unsigned lane, unsigned half, bool transposed) {
  unsigned row = transposed ? lane % 4 * 2 + half : lane / 4;
  unsigned column = transposed ? lane / 4 : lane % 4 * 2 + half;
  return meeting.operand<MatrixOperand>(matrix * 8 + row).address + 2 * column;
}

void check_rows(const Meeting &meeting, Access access, const char *what) {
  Engine &engine = Engine::get();
  unsigned count = meeting.operand<MatrixOperand>(0).count;
  for (unsigned matrix = 0; matrix < count; ++matrix) {
    std::vector<uint32_t> words;
    for (unsigned row = 0; row < 8; ++row) {
      const Thread &thread = meeting.thread(8 * matrix + row);
      uint32_t address = meeting.operand<MatrixOperand>(thread.lane).address;
      if (address % 16 != 0)
        stop(Fault::misaligned, meeting.site,
             "%s: row %u of matrix %u, whose address lane %u gives, is at 0x%x, which is not aligned to 16", what, row,
             matrix, thread.lane, address);
      thread.block->shared->access(thread, access, address, 16, meeting.site, what);
      for (unsigned word = 0; word < 4; ++word)
        words.push_back(address / 4 + word);
    }
    if (engine.launch().count_conflicts)
      engine.counters().bank_conflicts += extra_passes(std::move(words));
  }
}

void complete_load(Meeting &meeting) {
  check_rows(meeting, Access::read, "ldmatrix");
  SharedWindow &shared = *meeting.warp->block->shared;
  for (unsigned lane = 0; lane < kWarpSize; ++lane) {
    auto &operand = meeting.operand<MatrixOperand>(lane);
    for (unsigned matrix = 0; matrix < operand.count; ++matrix) {
      uint16_t halves[2];
      for (unsigned half = 0; half < 2; ++half)
        std::memcpy(&halves[half], shared.at(half_address(meeting, matrix, lane, half, operand.transposed)), 2);
      std::memcpy(&operand.fragments[matrix], halves, 4);
    }
  }
}

void complete_store(Meeting &meeting) {
  check_rows(meeting, Access::write, "stmatrix");
  SharedWindow &shared = *meeting.warp->block->shared;
  for (unsigned lane = 0; lane < kWarpSize; ++lane) {
    auto &operand = meeting.operand<MatrixOperand>(lane);
    for (unsigned matrix = 0; matrix < operand.count; ++matrix) {
      uint16_t halves[2];
      std::memcpy(halves, &operand.fragments[matrix], 4);
      for (unsigned half = 0; half < 2; ++half)
        std::memcpy(shared.at(half_address(meeting, matrix, lane, half, operand.transposed)), &halves[half], 2);
    }
  }
}

void complete_registers(Meeting &meeting) {
  for (unsigned lane = 1; lane < kWarpSize; ++lane)
    if (meeting.operand<uint32_t>(lane) != meeting.operand<uint32_t>(0))
      stop(Fault::divergence, meeting.site, "setmaxnreg with different numbers in lanes 0 and %u", lane);
}

constexpr WarpOp kMma{"mma.sync", true, false, complete_mma};
constexpr WarpOp kLoad{"ldmatrix", true, false, complete_load};
constexpr WarpOp kStore{"stmatrix", true, false, complete_store};
constexpr WarpOp kElect{"elect.sync", false, false, nullptr};
constexpr WarpOp kRegisters{"setmaxnreg", true, false, complete_registers};
constexpr uint32_t kAll = 0xFFFFFFFFu;

void move_matrices(const WarpOp &op, uint32_t *fragments, uint32_t address, unsigned count, bool transposed,
                   const Site &site) {
  MatrixOperand operand{fragments, locate(address, site).address, count, transposed};
  meet(op, kAll, &operand, site);
}

} // namespace

void mma_m16n8(Operand type, void *d, const uint32_t a[4], const uint32_t b[2], const Site &site) {
  MmaOperand operand{type, d, a, b};
  meet(kMma, kAll, &operand, site);
}

void load_matrices(uint32_t *fragments, uint32_t address, unsigned count, bool transposed, const Site &site) {
  move_matrices(kLoad, fragments, address, count, transposed, site);
}

void store_matrices(const uint32_t *fragments, uint32_t address, unsigned count, bool transposed, const Site &site) {
  uint32_t copy[4];
  std::memcpy(copy, fragments, count * sizeof *copy);
  move_matrices(kStore, copy, address, count, transposed, site);
}

bool elect(uint32_t mask, const Site &site) {
  meet(kElect, mask, nullptr, site);
  auto number = static_cast<int>(Engine::get().launch().seed % static_cast<unsigned>(std::popcount(mask)));
  while (number-- > 0)
    mask &= mask - 1;
  return current->lane == static_cast<unsigned>(std::countr_zero(mask));
}

void set_registers(uint32_t count, const Site &site) {
  if (count < 24 || count > 256 || count % 8 != 0)
    stop(Fault::protocol, site, "setmaxnreg to %u registers: it takes multiples of 8 from 24 to 256", count);
  meet(kRegisters, kAll, &count, site);
}

} // namespace aios::sim

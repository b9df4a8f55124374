// The list of families. A file with cases adds them in one function, which is declared and named here; what needs more
// than sm_80 is in a file of its own, compiled for sm_90a alone.
#include "golden.cuh"

namespace golden {

using Add = void(Family &);
Add add_wgmma_cases_sm90, add_tma_cases_sm90, add_mma_cases, add_mma_cases_sm90, add_matrix_cases,
    add_matrix_cases_sm90, add_conversion_cases, add_conversion_cases_sm90, add_mbarrier_cases_sm90, add_copy_cases,
    add_bulk_cases_sm90, add_atomic_cases, add_warp_cases;

std::vector<Family> families() {
  const std::pair<const char *, std::vector<Add *>> table[] = {
      {"wgmma", {add_wgmma_cases_sm90}},
      {"tma", {add_tma_cases_sm90}},
      {"mma", {add_mma_cases, add_mma_cases_sm90}},
      {"matrices", {add_matrix_cases, add_matrix_cases_sm90}},
      {"conversions", {add_conversion_cases, add_conversion_cases_sm90}},
      {"mbarrier", {add_mbarrier_cases_sm90}},
      {"copies", {add_copy_cases, add_bulk_cases_sm90}},
      {"atomics", {add_atomic_cases}},
      {"warps", {add_warp_cases}},
  };
  std::vector<Family> result;
  for (const auto &[name, adders] : table) {
    result.push_back({name, {}});
    for (Add *add : adders)
      add(result.back());
  }
  return result;
}

} // namespace golden

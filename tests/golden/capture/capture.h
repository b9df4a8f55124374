// Writing and checking golden files.
#pragma once

#include <string>
#include <vector>

#include "archive.h"
#include "device.h"

namespace golden {

/// Names of all families, the most valuable first.
std::vector<std::string> family_names();

enum class Captured {
  complete, ///< the file is there now
  before,   ///< it was there already
  failed,   ///< a case failed, which the file says; the context may be lost. Another process can go on after it.
};

/// Runs the cases of a family that the device can run and writes their results to DIR/<family>.golden, after what a
/// stopped run has left there.
Captured capture(Device &device, const std::string &family, const std::string &directory);

struct Replayed {
  size_t agreed = 0; ///< cases
  /// One line for each case that differs: its family and name, the element, both values.
  std::vector<std::string> differences;
  /// Cases that the program has and the file does not.
  std::vector<std::string> missing;
};

/// Computes every case of the file `runs` times, with other schedules on the simulator, and compares.
Replayed replay(Device &device, const Archive &archive, unsigned runs);

/// All files below a directory whose names end in .golden, sorted.
std::vector<std::string> archives_below(const std::string &directory);

} // namespace golden

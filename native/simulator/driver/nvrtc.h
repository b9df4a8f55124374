// The parts of the stand-in for NVRTC.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace aios::sim::driver {

/// A header of the simulator's that kernels are compiled with; the library has its text, so that it needs no sources.
struct EmbeddedHeader {
  const char *path, *text;
};
extern const EmbeddedHeader kImageHeaders[]; ///< Ends with a null path.

/// The names of the functions that a source marks with __global__, outside comments and strings.
std::vector<std::string> find_kernels(std::string_view source);

/// The source as the machine's compiler takes it, with the same lines: arrays of dynamic shared memory become names of
/// the block's window.
std::string translate(std::string_view source);

/// What came of a compilation.
struct Compilation {
  bool found_compiler = false;
  bool succeeded = false;
  std::string log;
  std::vector<char> image;
};

/// Compiles a file and what it includes, by paths under one directory, with the machine's compiler.
Compilation compile(const std::vector<std::pair<std::string, std::string>> &files, const std::string &main_file,
                    const std::vector<std::string> &options);

} // namespace aios::sim::driver

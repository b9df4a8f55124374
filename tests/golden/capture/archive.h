// A file of results: one family on one device. README.md describes the format.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "result.h"

namespace golden {

/// Where the results come from.
struct Origin {
  std::string device, driver, compiler, date;
  int capability = 0;
};

struct Entry {
  std::string name;
  uint32_t inputs = 0;
  std::vector<Kept> results;
  std::string failure; ///< why there are no results
  bool finished = false;
};

struct Archive {
  std::string family;
  Origin origin;
  std::vector<Entry> entries;
  bool complete = false; ///< the last line is there
};

/// Reads a file, also one that was cut off; throws std::runtime_error with the line that it does not understand.
Archive read_archive(const std::string &path);

/// Writes a file line by line, so that what it holds stays when the program is stopped.
class ArchiveWriter {
public:
  /// Begins a file, or goes on with one that was cut off.
  ArchiveWriter(const std::string &path, const std::string &family, const Origin &origin);

  /// What the file holds already; a case that was begun and not finished is recorded as failed.
  const std::vector<Entry> &entries() const { return entries_; }

  void begin(const std::string &name);
  void finish(uint32_t inputs, const std::vector<Result> &results);
  void fail(const std::string &message);
  void end();

private:
  void write(const std::string &line);

  std::string path_;
  std::vector<Entry> entries_;
};

} // namespace golden

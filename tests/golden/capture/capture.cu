#include "capture.h"

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "golden.cuh"

namespace golden {
namespace {

const Family &find_family(const std::vector<Family> &all, const std::string &name) {
  for (const Family &family : all)
    if (family.name == name)
      return family;
  throw std::runtime_error("there is no family " + name);
}

Origin origin_of(const Device &device) {
  char date[16] = {};
  time_t now = std::time(nullptr);
  std::strftime(date, sizeof date, "%Y-%m-%d", std::gmtime(&now));
  return {device.name(), device.driver(), GOLDEN_COMPILER, date, device.capability()};
}

/// The first difference between an entry and one run of its case, or "".
std::string compare(const Entry &entry, const Run &run, const std::string &old, const std::string &now) {
  if (entry.inputs != run.inputs())
    return "its inputs have changed since it was captured";
  if (entry.results.size() != run.results().size())
    return "it had " + std::to_string(entry.results.size()) + " results and has " +
           std::to_string(run.results().size());
  for (size_t i = 0; i < entry.results.size(); ++i) {
    std::string text = difference(entry.results[i], run.results()[i], old, now);
    if (!text.empty())
      return entry.results.size() == 1 ? text : "result " + std::to_string(i) + ", " + text;
  }
  return "";
}

} // namespace

Run run_case(Device &device, const Family &family, const Case &which) {
  Run run(device, family.name + "/" + which.name);
  which.run(run);
  device.release();
  return run;
}

std::vector<std::string> family_names() {
  std::vector<std::string> names;
  for (const Family &family : families())
    names.push_back(family.name);
  return names;
}

Captured capture(Device &device, const std::string &name, const std::string &directory) {
  std::vector<Family> all = families();
  const Family &family = find_family(all, name);
  std::string path = directory + "/" + name + ".golden";
  if (std::ifstream(path).good() && read_archive(path).complete)
    return Captured::before;
  ArchiveWriter file(path, name, origin_of(device));
  for (const Case &which : family.cases) {
    auto done = std::find_if(file.entries().begin(), file.entries().end(),
                             [&](const Entry &entry) { return entry.name == which.name; });
    if (done != file.entries().end() || which.capability > device.capability())
      continue;
    file.begin(which.name);
    try {
      Run run = run_case(device, family, which);
      file.finish(run.inputs(), run.results());
    } catch (const Failure &failure) {
      file.fail(failure.what());
      return Captured::failed;
    }
  }
  file.end();
  return Captured::complete;
}

Replayed replay(Device &device, const Archive &archive, unsigned runs) {
  std::vector<Family> all = families();
  const Family &family = find_family(all, archive.family);
  Replayed replayed;
  std::string now = device.simulated() ? "the simulator" : "this device";
  for (const Case &which : family.cases)
    if (std::none_of(archive.entries.begin(), archive.entries.end(),
                     [&](const Entry &entry) { return entry.name == which.name; }))
      replayed.missing.push_back(family.name + "/" + which.name);
  for (const Entry &entry : archive.entries) {
    std::string name = family.name + "/" + entry.name, problem;
    auto which = std::find_if(family.cases.begin(), family.cases.end(),
                              [&](const Case &candidate) { return candidate.name == entry.name; });
    if (which == family.cases.end())
      problem = "there is no such case any more";
    else if (!entry.failure.empty() || !entry.finished)
      problem = "it failed on " + archive.origin.device + ": " + entry.failure;
    for (unsigned i = 0; i < runs && problem.empty(); ++i) {
      try {
        problem = compare(entry, run_case(device, family, *which), archive.origin.device, now);
      } catch (const Failure &failure) { // the context is lost with it
        replayed.differences.push_back(name + ": " + failure.what());
        return replayed;
      }
    }
    if (problem.empty())
      ++replayed.agreed;
    else
      replayed.differences.push_back(name + ": " + problem);
  }
  return replayed;
}

std::vector<std::string> archives_below(const std::string &directory) {
  std::vector<std::string> paths;
  if (std::filesystem::exists(directory))
    for (const auto &file : std::filesystem::recursive_directory_iterator(directory))
      if (file.path().extension() == ".golden")
        paths.push_back(file.path().string());
  std::sort(paths.begin(), paths.end());
  return paths;
}

} // namespace golden

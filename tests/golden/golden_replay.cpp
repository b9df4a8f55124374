// Holds the simulator, or another GPU, to golden files: golden_replay DIR [RUNS]
#include <cstdio>
#include <cstdlib>

#include "capture/capture.h"

int main(int count, char **arguments) {
  if (count < 2 || count > 3) {
    std::fprintf(stderr, "usage: golden_replay DIR [RUNS]\n");
    return 2;
  }
  unsigned runs = count == 3 ? static_cast<unsigned>(std::atoi(arguments[2])) : 3;
  std::vector<std::string> paths = golden::archives_below(arguments[1]);
  if (paths.empty() || runs == 0) {
    std::fprintf(stderr, "golden_replay: nothing to do: %zu files below %s, %u runs\n", paths.size(), arguments[1],
                 runs);
    return 2;
  }
  size_t wrong = 0;
  try {
    for (const std::string &path : paths) {
      golden::Device device; // a context of its own, should one be lost
      golden::Archive archive = golden::read_archive(path);
      golden::Replayed replayed = golden::replay(device, archive, runs);
      for (const std::string &text : replayed.differences)
        std::printf("%s\n", text.c_str());
      std::printf("%s (%s, driver %s, %s, %s): %zu cases agree, %zu differ, %zu were not captured\n", path.c_str(),
                  archive.origin.device.c_str(), archive.origin.driver.c_str(), archive.origin.compiler.c_str(),
                  archive.origin.date.c_str(), replayed.agreed, replayed.differences.size(), replayed.missing.size());
      wrong += replayed.differences.size();
    }
  } catch (const std::exception &error) {
    std::fprintf(stderr, "golden_replay: %s\n", error.what());
    return 1;
  }
  return wrong == 0 ? 0 : 1;
}

// Writes golden files: golden_capture --out DIR [--family F]...
// A family whose file is complete is left alone; one that was cut off goes on after its last case. A case that fails
// takes the context with it, so the program begins again behind it.
#include <cstdio>
#include <cstring>
#include <string>
#include <unistd.h>
#include <vector>

#include "capture/capture.h"

int main(int count, char **arguments) {
  std::string out;
  std::vector<std::string> families;
  bool list = false;
  for (int i = 1; i < count; ++i) {
    if (std::strcmp(arguments[i], "--list") == 0) {
      list = true;
    } else if (std::strcmp(arguments[i], "--out") == 0 && i + 1 < count) {
      out = arguments[++i];
    } else if (std::strcmp(arguments[i], "--family") == 0 && i + 1 < count) {
      families.emplace_back(arguments[++i]);
    } else {
      std::fprintf(stderr, "usage: golden_capture --list | --out DIR [--family F]...\n");
      return 2;
    }
  }
  if (families.empty())
    families = golden::family_names();
  if (list || out.empty()) {
    for (const std::string &family : families)
      std::puts(family.c_str());
    return list ? 0 : 2;
  }
  try {
    golden::Device device;
    for (const std::string &family : families) {
      switch (golden::capture(device, family, out)) {
      case golden::Captured::complete:
        std::printf("%s: captured\n", family.c_str());
        break;
      case golden::Captured::before:
        std::printf("%s: was captured before\n", family.c_str());
        break;
      case golden::Captured::failed:
        std::fflush(stdout);
        execv("/proc/self/exe", arguments);
        std::perror("golden_capture");
        return 1;
      }
      std::fflush(stdout);
    }
    size_t failures = 0;
    for (const std::string &family : families)
      for (const golden::Entry &entry : golden::read_archive(out + "/" + family + ".golden").entries)
        if (!entry.failure.empty()) {
          std::printf("FAILED %s/%s: %s\n", family.c_str(), entry.name.c_str(), entry.failure.c_str());
          ++failures;
        }
    return failures == 0 ? 0 : 1;
  } catch (const std::exception &error) {
    std::fprintf(stderr, "golden_capture: %s\n", error.what());
    return 1;
  }
}

// Running the machine's compiler.
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "image.h"
#include "nvrtc.h"

extern char **environ;

namespace aios::sim::driver {
namespace {

namespace fs = std::filesystem;

std::string read_file(const fs::path &path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// Runs a program; false when there is none of the name.
bool run(const std::vector<std::string> &words, const fs::path &log) {
  std::vector<char *> arguments;
  for (const std::string &word : words) {
    arguments.push_back(const_cast<char *>(word.c_str()));
  }
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  pid_t child = 0;
  int error = posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    return false;
  }
  int status = 0;
  // Who embeds the library may have waited for the child before; whether it succeeded shows in what it wrote.
  waitpid(child, &status, 0);
  return true;
}

} // namespace

Compilation compile(const std::vector<std::pair<std::string, std::string>> &files, const std::string &main_file,
                    const std::vector<std::string> &options) {
  Compilation result;
  std::error_code ignored;
  std::string pattern = (fs::temp_directory_path(ignored) / "aios_cudasim_XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) {
    result.log = "no directory for temporary files: " + pattern;
    return result;
  }
  fs::path directory = pattern, object = directory / "image.so", log = directory / "log";
  for (const auto &[path, text] : files) {
    fs::create_directories((directory / path).parent_path(), ignored);
    std::ofstream(directory / path, std::ios::binary) << text;
  }
  const char *named = std::getenv("CXX");
  for (const char *compiler : {named == nullptr ? "c++" : named, "g++", "clang++"}) {
    std::vector<std::string> words = {
        compiler,           "-x", "c++", "-std=c++20", "-O1", "-g1", "-w", "-fPIC", "-shared", "-fvisibility=hidden",
        "-ffp-contract=off"};
    words.insert(words.end(), options.begin(), options.end());
    words.insert(words.end(), {"-o", object.string(), (directory / main_file).string()});
    result.found_compiler = run(words, log);
    if (result.found_compiler) {
      break;
    }
  }
  if (result.found_compiler) {
    result.log = read_file(log);
    std::string bytes = read_file(object);
    result.succeeded = !bytes.empty();
    ImageHeader header = {};
    std::memcpy(header.magic, kImageMagic, sizeof kImageMagic);
    header.bytes = bytes.size();
    result.image.resize(sizeof header + bytes.size());
    std::memcpy(result.image.data(), &header, sizeof header);
    std::memcpy(result.image.data() + sizeof header, bytes.data(), bytes.size());
  } else {
    result.log = "no C++ compiler was found, which the simulator compiles kernels with; install g++ or name one in CXX";
  }
  fs::remove_all(directory, ignored);
  return result;
}

} // namespace aios::sim::driver

#include "report.h"

#include <cstdarg>
#include <cstring>
#include <map>

#include "../instructions/asynchrony.h"
#include "engine.h"

namespace aios::sim {

const char *fault_name(Fault fault) {
  static constexpr const char *names[] = {
      "none", "configuration",       "invalid address", "misaligned address", "uninitialised shared memory",
      "race", "missing proxy fence", "divergence",      "deadlock",           "protocol"};
  return names[static_cast<size_t>(fault)];
}

std::string triple(const Dim3 &index) {
  char text[48];
  std::snprintf(text, sizeof text, "(%u,%u,%u)", index.x, index.y, index.z);
  return text;
}

std::string place(const Site &site) {
  const char *name = site.file_name();
  if (const char *slash = std::strrchr(name, '/'))
    name = slash + 1;
  return std::string(name) + ":" + std::to_string(site.line());
}

std::string thread_name(const Thread &thread) {
  std::string name = "thread ";
  name.append(triple(thread.index));
  if (Engine::get().launch().grid.volume() > 1)
    name.append(" of block ").append(triple(thread.block->index));
  return name;
}

std::string agent_name(uint32_t agent) {
  Engine &engine = Engine::get();
  return agent < engine.thread_count() ? thread_name(engine.thread(agent)) : engine.asynchrony().name(agent);
}

std::string report_text(Fault fault, const Site &site, const std::string &what) {
  const Launch &launch = Engine::get().launch();
  std::string text = std::string(fault_name(fault)) + ": " + what + "; kernel " + launch.name;
  if (site.line() != 0)
    text += " at " + place(site);
  if (current != nullptr)
    text += ", thread " + triple(current->index) + " of block " + triple(current->block->index);
  return text + ", seed " + std::to_string(launch.seed);
}

void stop(Fault fault, const Site &site, const char *format, ...) {
  char text[1024];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  Engine::get().stop(fault, report_text(fault, site, text));
}

namespace {

constexpr size_t kShownRanges = 4;

/// "threads 0-31, 64 wait": thread numbers in their block.
std::string who_waits(const std::vector<uint32_t> &numbers) {
  std::string text = numbers.size() == 1 ? "thread " : "threads ";
  size_t shown = 0;
  for (size_t i = 0; i < numbers.size(); ++shown) {
    size_t end = i + 1;
    while (end < numbers.size() && numbers[end] == numbers[end - 1] + 1)
      ++end;
    if (shown == kShownRanges)
      return text.append(" and others, ").append(std::to_string(numbers.size())).append(" in all, wait");
    text.append(shown == 0 ? "" : ", ").append(std::to_string(numbers[i]));
    if (end - i > 1)
      text.append("-").append(std::to_string(numbers[end - 1]));
    i = end;
  }
  return text.append(numbers.size() == 1 ? " waits" : " wait");
}

} // namespace

void Engine::report_deadlock() {
  std::map<std::string, std::vector<uint32_t>> groups;
  Site site;
  for (const Thread &thread : threads_) {
    if (thread.state != State::waiting)
      continue;
    site = thread.wait.site;
    std::string what = thread.wait.describe(thread) + " at " + place(thread.wait.site);
    if (block_count() > 1)
      what += " in block " + triple(thread.block->index);
    groups[what].push_back(thread.rank);
  }
  std::string text = "nobody can go on: ";
  for (auto group = groups.begin(); group != groups.end(); ++group)
    text.append(group == groups.begin() ? "" : "; ")
        .append(who_waits(group->second))
        .append(" in ")
        .append(group->first);
  current = nullptr; // nobody's doing in particular
  stop(Fault::deadlock, report_text(Fault::deadlock, site, text));
}

} // namespace aios::sim

// Reading the source of a user's kernels, as far as that is needed.
#include <algorithm>
#include <cctype>

#include "nvrtc.h"

namespace aios::sim::driver {
namespace {

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

/// The source with blanks for comments, strings and characters: every place stays where it is.
std::string blank(std::string_view source) {
  std::string text(source);
  for (size_t i = 0; i < text.size();) {
    size_t end = i + 1;
    if (text.compare(i, 2, "//") == 0) {
      end = std::min(text.find('\n', i), text.size());
    } else if (text.compare(i, 2, "/*") == 0) {
      size_t close = text.find("*/", i + 2);
      end = close == std::string::npos ? text.size() : close + 2;
    } else if (text[i] == '"' || text[i] == '\'') {
      while (end < text.size() && text[end] != text[i] && text[end] != '\n') {
        end += text[end] == '\\' ? 2 : 1;
      }
      end = std::min(end + 1, text.size());
    } else {
      ++i;
      continue;
    }
    for (; i < end; ++i) {
      text[i] = text[i] == '\n' ? '\n' : ' ';
    }
  }
  return text;
}

/// Where a word begins at or after `from`; npos when it does not occur.
size_t find_word(const std::string &text, std::string_view word, size_t from) {
  for (size_t at = text.find(word, from); at != std::string::npos; at = text.find(word, at + 1)) {
    if ((at == 0 || !is_word(text[at - 1])) && (at + word.size() == text.size() || !is_word(text[at + word.size()]))) {
      return at;
    }
  }
  return std::string::npos;
}

size_t skip_blanks(const std::string &text, size_t at) {
  while (at < text.size() && std::isspace(static_cast<unsigned char>(text[at])) != 0) {
    ++at;
  }
  return at;
}

size_t skip_word(const std::string &text, size_t at) {
  while (at < text.size() && is_word(text[at])) {
    ++at;
  }
  return at;
}

/// Behind the parenthesis that closes the one at `at`.
size_t skip_parentheses(const std::string &text, size_t at) {
  int depth = 0;
  for (; at < text.size(); ++at) {
    depth += text[at] == '(' ? 1 : text[at] == ')' ? -1 : 0;
    if (depth == 0) {
      return at + 1;
    }
  }
  return at;
}

} // namespace

std::vector<std::string> find_kernels(std::string_view source) {
  std::string text = blank(source);
  std::vector<std::string> kernels;
  constexpr std::string_view kMark = "__global__", kBounds = "__launch_bounds__";
  for (size_t at = find_word(text, kMark, 0); at != std::string::npos; at = find_word(text, kMark, at + 1)) {
    size_t end = at + kMark.size();
    // The name is the word before the parameters; bounds have parentheses too.
    for (std::string_view word; end < text.size();) {
      size_t start = skip_blanks(text, end);
      if (start < text.size() && text[start] == '(') {
        if (word == kBounds) {
          end = skip_parentheses(text, start);
          continue;
        }
        if (!word.empty()) {
          kernels.emplace_back(word);
        }
        break;
      }
      end = skip_word(text, start);
      if (end == start) {
        break;
      }
      word = std::string_view(text).substr(start, end - start);
    }
  }
  return kernels;
}

std::string translate(std::string_view source) {
  std::string text = blank(source), result(source);
  constexpr std::string_view kExtern = "extern", kShared = "__shared__";
  long moved = 0;
  for (size_t at = find_word(text, kExtern, 0); at != std::string::npos; at = find_word(text, kExtern, at + 1)) {
    size_t start = skip_blanks(text, at + kExtern.size());
    size_t end = text.find(';', start), bracket = text.find('[', start);
    if (text.compare(start, kShared.size(), kShared) != 0 || end == std::string::npos || bracket > end) {
      continue;
    }
    size_t name_end = bracket;
    while (name_end > start && !is_word(text[name_end - 1])) {
      --name_end;
    }
    size_t name = name_end;
    while (name > start && is_word(text[name - 1])) {
      --name;
    }
    start += kShared.size();
    if (size_t align = text.find("__align__", start); align < name) {
      start = skip_parentheses(text, text.find('(', align));
    }
    std::string word = text.substr(name, name_end - name);
    std::string type = text.substr(start, name - start);
    size_t line = 1 + static_cast<size_t>(std::count(text.begin(), text.begin() + static_cast<long>(end), '\n'));
    std::string replacement = "\n#undef " + word + "\n#define " + word + " (reinterpret_cast<" + type +
                              " *>(aios_dynamic_shared))\n#line " + std::to_string(line) + "\n";
    result.replace(static_cast<size_t>(static_cast<long>(at) + moved), end + 1 - at, replacement);
    moved += static_cast<long>(replacement.size()) - static_cast<long>(end + 1 - at);
  }
  return result;
}

} // namespace aios::sim::driver

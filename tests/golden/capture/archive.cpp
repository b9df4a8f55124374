#include "archive.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>

namespace golden {
namespace {

constexpr const char *kFirstLine = "aios golden 1";

std::string hex(const std::vector<unsigned char> &bytes) {
  std::string text;
  for (unsigned char byte : bytes) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

std::string hex(uint32_t value) {
  return hex({static_cast<unsigned char>(value >> 24), static_cast<unsigned char>(value >> 16),
              static_cast<unsigned char>(value >> 8), static_cast<unsigned char>(value)});
}

std::vector<unsigned char> bytes_of(const std::string &text) {
  std::vector<unsigned char> bytes;
  auto digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; };
  for (size_t i = 0; i + 1 < text.size(); i += 2) {
    int high = digit(text[i]), low = digit(text[i + 1]);
    if (high < 0 || low < 0)
      throw std::runtime_error("not a hexadecimal digit");
    bytes.push_back(static_cast<unsigned char>(high * 16 + low));
  }
  if (text.size() % 2 != 0)
    throw std::runtime_error("half a byte");
  return bytes;
}

std::string line_of(const Kept &kept) {
  std::string line = std::string("result ") + name_of(kept.number) + " " + std::to_string(kept.count) + " " +
                     std::to_string(kept.step) + " " + hex(kept.elements);
  if (kept.block != 0) {
    line += std::string(" ") + std::to_string(kept.block) + " ";
    for (uint32_t hash : kept.hashes)
      line += hex(hash);
  }
  return line;
}

Kept parse_result(std::istringstream &words) {
  Kept kept;
  std::string number, elements, hashes;
  if (!(words >> number >> kept.count >> kept.step >> elements))
    throw std::runtime_error("not a result");
  bool known = false;
  for (Number candidate : {Number::u8, Number::u16, Number::u32, Number::u64, Number::f32})
    if (number == name_of(candidate)) {
      kept.number = candidate;
      known = true;
    }
  if (!known)
    throw std::runtime_error("unknown type of elements");
  kept.elements = bytes_of(elements);
  if (words >> kept.block >> hashes) {
    std::vector<unsigned char> bytes = bytes_of(hashes);
    for (size_t i = 0; i + 3 < bytes.size(); i += 4)
      kept.hashes.push_back(static_cast<uint32_t>(bytes[i]) << 24 | static_cast<uint32_t>(bytes[i + 1]) << 16 |
                            static_cast<uint32_t>(bytes[i + 2]) << 8 | bytes[i + 3]);
  }
  size_t size = size_of(kept.number);
  uint64_t held = kept.elements.size() / size;
  uint64_t blocks = kept.block == 0 ? 0 : (kept.count + kept.block - 1) / kept.block;
  bool whole = kept.step != 0 && kept.elements.size() % size == 0 && held > 0 && held <= kept.count &&
               (kept.block != 0 || held == (kept.count + kept.step - 1) / kept.step);
  if (!whole || kept.hashes.size() != blocks || (held - 1) * kept.step >= kept.count)
    throw std::runtime_error("the result has another length than it says");
  return kept;
}

void parse_line(const std::string &line, Archive &archive) {
  std::istringstream words(line);
  std::string key, rest;
  words >> key;
  auto text = [&] {
    std::getline(words >> std::ws, rest);
    return rest;
  };
  auto open = [&]() -> Entry & {
    if (archive.entries.empty() || archive.entries.back().finished)
      throw std::runtime_error("no case has begun");
    return archive.entries.back();
  };
  if (key == "family")
    archive.family = text();
  else if (key == "device")
    archive.origin.device = text();
  else if (key == "capability")
    words >> archive.origin.capability;
  else if (key == "driver")
    archive.origin.driver = text();
  else if (key == "compiler")
    archive.origin.compiler = text();
  else if (key == "date")
    archive.origin.date = text();
  else if (key == "case")
    archive.entries.push_back(Entry{text(), 0, {}, "", false});
  else if (key == "result")
    open().results.push_back(parse_result(words));
  else if (key == "failed")
    open().failure = text(), open().finished = true;
  else if (key == "inputs")
    open().inputs = static_cast<uint32_t>(std::stoul(text(), nullptr, 16)), open().finished = true;
  else if (key == "end")
    archive.complete = true;
  else
    throw std::runtime_error("unknown word");
}

/// Without a last line that was cut off.
size_t length_of_lines(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  std::string bytes(std::istreambuf_iterator<char>(file), {});
  return bytes.rfind('\n') + 1;
}

} // namespace

Archive read_archive(const std::string &path) {
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line) || line != kFirstLine)
    throw std::runtime_error(path + " is not a golden file");
  Archive archive;
  for (size_t number = 2; std::getline(file, line); ++number) {
    if (file.eof())
      break; // without its line end it may have been cut off
    try {
      parse_line(line, archive);
    } catch (const std::exception &error) {
      throw std::runtime_error(path + ":" + std::to_string(number) + ": " + error.what());
    }
  }
  return archive;
}

ArchiveWriter::ArchiveWriter(const std::string &path, const std::string &family, const Origin &origin) : path_(path) {
  if (std::ifstream(path).good()) {
    Archive archive = read_archive(path);
    entries_ = archive.entries;
    std::filesystem::resize_file(path, length_of_lines(path));
    if (!entries_.empty() && !entries_.back().finished)
      fail("it was begun and did not end");
    return;
  }
  write(kFirstLine);
  write("family " + family);
  write("device " + origin.device);
  write("capability " + std::to_string(origin.capability));
  write("driver " + origin.driver);
  write("compiler " + origin.compiler);
  write("date " + origin.date);
}

void ArchiveWriter::write(const std::string &line) {
  std::ofstream file(path_, std::ios::app);
  file << line << '\n';
  file.close();
  if (!file)
    throw std::runtime_error("cannot write " + path_);
}

void ArchiveWriter::begin(const std::string &name) {
  write("case " + name);
}

void ArchiveWriter::finish(uint32_t inputs, const std::vector<Result> &results) {
  std::string lines;
  for (const Result &result : results)
    lines += line_of(keep(result)) + "\n";
  write(lines + "inputs " + hex(inputs));
}

void ArchiveWriter::fail(const std::string &message) {
  std::string line = message;
  std::replace(line.begin(), line.end(), '\n', ' ');
  write("failed " + line);
}

void ArchiveWriter::end() {
  write("end");
}

} // namespace golden

#include "src/data/source/text_lines.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>
#include <string_view>
#include <utility>

#include "src/core/error.h"
#include "src/data/source/read_file.h"

namespace vim::data {
namespace {

constexpr size_t kMaxSize = size_t{256} << 20;  // bytes; a line each for a million images fits
constexpr std::string_view kSeparators = " \t,\r";

}  // namespace

std::vector<std::string> split_words(const std::string& line) {
  std::vector<std::string> words;
  size_t begin = line.find_first_not_of(kSeparators);
  while (begin != std::string::npos) {
    const size_t end = std::min(line.find_first_of(kSeparators, begin), line.size());
    words.push_back(line.substr(begin, end - begin));
    begin = line.find_first_not_of(kSeparators, end);
  }
  return words;
}

std::vector<TextLine> split_lines(const std::string& text) {
  std::istringstream stream(text);
  std::vector<TextLine> lines;
  int64_t number = 0;
  for (std::string line; std::getline(stream, line);) {
    ++number;
    std::vector<std::string> words = split_words(line);
    if (!words.empty() && !words.front().starts_with('#')) {
      lines.push_back({number, std::move(words)});
    }
  }
  return lines;
}

std::vector<TextLine> read_text_lines(const std::string& path) {
  const std::vector<uint8_t> bytes = read_file(path);
  if (bytes.size() > kMaxSize) {
    throw Error(
        fmt::format("{}: {} bytes are too many for a list; check the file", path, bytes.size()));
  }
  return split_lines(std::string(bytes.begin(), bytes.end()));
}

}  // namespace vim::data

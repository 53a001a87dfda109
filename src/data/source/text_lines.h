// Text files of words, as label lists are.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace vim::data {

struct TextLine {
  int64_t number = 0;  // in the file, from 1
  std::vector<std::string> words;
};

/// What stands between spaces, tabs, commas and carriage returns.
std::vector<std::string> split_words(const std::string& line);

/// The lines that hold words and do not begin with #. Throws vim::Error naming the file if it
/// cannot be read or has more than 256 MiB.
std::vector<TextLine> read_text_lines(const std::string& path);

/// The same for a text at hand.
std::vector<TextLine> split_lines(const std::string& text);

}  // namespace vim::data

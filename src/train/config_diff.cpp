// The texts come from one writer, so comparing line by line is enough and needs no YAML parser
// here.
#include "src/train/config_diff.h"

#include <fmt/format.h>

#include <map>
#include <sstream>
#include <utility>

namespace vim::train {
namespace {

// "section.key" -> value, for block YAML of any depth with plain `key: value` lines.
std::map<std::string, std::string> flatten(const std::string& yaml) {
  std::map<std::string, std::string> values;
  std::vector<std::pair<size_t, std::string>> parents;  // indentation, dotted path
  std::istringstream lines(yaml);
  for (std::string line; std::getline(lines, line);) {
    const size_t indent = line.find_first_not_of(' ');
    const size_t colon = line.find(':');
    if (indent == std::string::npos || line[indent] == '#' || colon == std::string::npos) {
      continue;
    }
    while (!parents.empty() && parents.back().first >= indent) {
      parents.pop_back();
    }
    const std::string key =
        (parents.empty() ? "" : parents.back().second + ".") + line.substr(indent, colon - indent);
    const size_t value = line.find_first_not_of(' ', colon + 1);
    if (value == std::string::npos) {
      parents.emplace_back(indent, key);
    } else {
      values[key] = line.substr(value);
    }
  }
  return values;
}

}  // namespace

std::vector<std::string> compare_configs(const std::string& old_yaml, const std::string& new_yaml) {
  const std::map<std::string, std::string> old_values = flatten(old_yaml);
  std::map<std::string, std::string> new_values = flatten(new_yaml);
  std::vector<std::string> lines;
  for (const auto& [key, value] : old_values) {
    const auto found = new_values.find(key);
    const std::string now = found == new_values.end() ? "(absent)" : found->second;
    if (now != value) {
      lines.push_back(fmt::format("{}: {} -> {}", key, value, now));
    }
    new_values.erase(key);
  }
  for (const auto& [key, value] : new_values) {
    lines.push_back(fmt::format("{}: (absent) -> {}", key, value));
  }
  return lines;
}

}  // namespace vim::train

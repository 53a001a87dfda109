// Sorted by line; problems of one line keep the order in which they were found.
#include "src/config/problems.h"

#include <algorithm>

#include "src/core/error.h"

namespace vim::config {

Origin file_origin(const std::string& name, int64_t line) {
  return {name + ":" + std::to_string(line), line, false};
}

void Problems::add(const Origin& origin, std::string_view key, std::string_view what) {
  std::string text = origin.where + ": ";
  if (!key.empty() && !origin.is_override) {
    text.append(key).append(": ");
  }
  entries_.push_back({origin.line, text.append(what)});
}

void Problems::throw_if_any() const {
  if (entries_.empty()) {
    return;
  }
  std::vector<Entry> sorted = entries_;
  std::stable_sort(
      sorted.begin(), sorted.end(), [](const Entry& a, const Entry& b) { return a.line < b.line; });
  std::string text;
  for (const Entry& entry : sorted) {
    text.append(text.empty() ? "" : "\n").append(entry.text);
  }
  throw Error(text);
}

}  // namespace vim::config

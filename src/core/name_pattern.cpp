#include "src/core/name_pattern.h"

#include <fnmatch.h>

#include <algorithm>

namespace vim::core {

bool matches_any(const std::string& name, const std::vector<std::string>& patterns) {
  return std::any_of(patterns.begin(), patterns.end(), [&name](const std::string& pattern) {
    return fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
  });
}

}  // namespace vim::core

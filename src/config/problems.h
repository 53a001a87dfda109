// All that is wrong with one configuration, collected so that the user sees it at once.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace vim::config {

/// Where a key was set: a line of the file, or one `--set`.
struct Origin {
  std::string where;                                   // "run.yaml:12" or "--set optim.lr=1"
  int64_t line = std::numeric_limits<int64_t>::max();  // overrides sort behind the file
  bool is_override = false;
};

/// The origin of a line of the file.
Origin file_origin(const std::string& name, int64_t line);

class Problems {
 public:
  /// Adds `WHERE: KEY: WHAT`; an override's WHERE names the key already.
  void add(const Origin& origin, std::string_view key, std::string_view what);

  bool empty() const { return entries_.empty(); }

  /// Throws vim::Error with one line for each problem, in the order of the file, if there is any.
  void throw_if_any() const;

 private:
  struct Entry {
    int64_t line;
    std::string text;
  };
  std::vector<Entry> entries_;
};

}  // namespace vim::config

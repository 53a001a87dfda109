// Rules that tie several keys together.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "src/config/run_config.h"

namespace vim::config {

struct Violation {
  std::vector<std::string_view> keys;  // those involved, the one to name first
  std::string what;                    // "what is wrong; what to do"
};

/// All rules that the configuration breaks. Rules that involve a key of `unreadable` are passed
/// over: its value is unknown.
std::vector<Violation> find_violations(
    const RunConfig& config, const std::set<std::string, std::less<>>& unreadable);

}  // namespace vim::config

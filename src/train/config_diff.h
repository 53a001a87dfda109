// What changed between the configuration a checkpoint was made with and the present one.
#pragma once

#include <string>
#include <vector>

namespace vim::train {

/// Keys whose values differ between two configurations as this program writes them, one line each:
/// `section.key: old -> new`. Read are block mappings of `key: value` lines; nothing is
/// interpreted.
std::vector<std::string> compare_configs(const std::string& old_yaml, const std::string& new_yaml);

}  // namespace vim::train

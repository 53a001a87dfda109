// YAML to options and back.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "src/config/run_config.h"

namespace vim::config {

/// Reads a configuration file and applies `--set` overrides ("optim.lr=1e-3") in their order. Keys
/// left out keep their default, those of `model` the preset's value if one is named; the place of
/// `model.preset` among the keys does not matter. `model.num_classes` is taken from
/// data.num_classes (0: see fill_num_classes). Logs config_warnings. Throws vim::Error
/// with one line for each thing wrong, `FILE:LINE: section.key: what; what to do`, all of them at
/// once.
RunConfig load_config(const std::filesystem::path& path, const std::vector<std::string>& overrides);

/// The same for a text at hand, called `name` in errors; logs nothing.
RunConfig parse_config(
    std::string_view text, const std::string& name, const std::vector<std::string>& overrides);

/// Gives data and model the number of classes of the images, where data.num_classes is auto (0).
void fill_num_classes(RunConfig& config, int64_t num_found);

/// Every key with its value and, as a comment, its meaning, in a fixed order. parse_config gives
/// the same configuration back, numbers to the last bit.
std::string to_yaml(const RunConfig& config);

/// What is allowed but hardly meant, one line each.
std::vector<std::string> config_warnings(const RunConfig& config);

}  // namespace vim::config

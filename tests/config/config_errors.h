// What parse_config says about a text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "src/config/config.h"
#include "src/core/error.h"

namespace vim::test {

/// The text of the vim::Error, or "" if there is none. The file is called "run.yaml".
inline std::string config_error(
    std::string_view text, const std::vector<std::string>& overrides = {}) {
  try {
    config::parse_config(text, "run.yaml", overrides);
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

}  // namespace vim::test

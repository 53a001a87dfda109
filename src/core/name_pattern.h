// Names chosen by patterns, as users write them for files.
#pragma once

#include <string>
#include <vector>

namespace vim::core {

/// Whether the name matches one of the patterns, those of fnmatch(3): `*` and `?` stand for any
/// characters, dots too, `[0-5]` for one of several.
bool matches_any(const std::string& name, const std::vector<std::string>& patterns);

}  // namespace vim::core

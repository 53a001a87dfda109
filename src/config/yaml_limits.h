// What a YAML text may hold before a YAML parser sees it. yaml-cpp recurses once per nesting level
// and follows aliases, so hostile or broken input is refused here.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace vim::config {

inline constexpr size_t kMaxYamlSize = size_t{1} << 20;  // bytes
inline constexpr int kMaxYamlDepth = 32;                 // block and flow levels together

/// Passes a text of at most 1 MiB, valid UTF-8 without control characters, nested at most 32 deep,
/// with neither anchors, aliases, tags, directives, block scalars nor complex keys, and with quoted
/// texts that end on their line. Anything else throws vim::Error as `NAME:LINE: what; what to do`.
/// Whether the text is YAML at all is left to the parser.
void check_yaml_limits(std::string_view text, const std::string& name);

}  // namespace vim::config

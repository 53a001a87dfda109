// YAML text to a flat list of assignments. Behind this header, and nowhere else, is yaml-cpp.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "src/config/problems.h"
#include "src/config/value.h"

namespace vim::config {

/// One `section.key` with its value, not yet matched against the table of fields.
struct Assignment {
  std::string key;
  Value value;
  Origin origin;
};

/// The assignments of a text of the form `section: {key: value}`, in its order. Duplicate keys,
/// unknown sections and wrong nesting become problems and are left out. Throws vim::Error if the
/// text breaks the limits of yaml_limits.h or is not YAML.
std::vector<Assignment> read_document(
    std::string_view text,
    const std::string& name,
    const std::vector<std::string_view>& sections,
    Problems& problems);

/// The assignment of `--set section.key=value`, the value being a YAML scalar or list. A problem
/// and an empty key if it is not of this form.
Assignment read_override(const std::string& argument, Problems& problems);

}  // namespace vim::config

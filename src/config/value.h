// A configuration value as text, before a field gives it a type. Keeps yaml-cpp out of the field
// table.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vim::config {

struct Value {
  enum class Kind { kEmpty, kScalar, kList, kOther };

  Kind kind = Kind::kEmpty;
  std::vector<std::string> items;  // one for a scalar
  bool is_quoted = false;          // a quoted scalar is a text, never a number or a word
};

/// The value as it may stand in a message, shortened.
std::string describe(const Value& value);

/// The one unquoted scalar, or "" (which no field takes) for anything else.
std::string_view plain_scalar(const Value& value);

/// Decimal integers in full; nothing for any other text or a number out of the type's range.
std::optional<int64_t> parse_integer(std::string_view text);
std::optional<uint64_t> parse_unsigned(std::string_view text);

/// Finite decimal numbers in full, correctly rounded.
std::optional<double> parse_real(std::string_view text);

/// The shortest text that reads back as the same number; always with a point, so that every YAML
/// reader takes it for a number.
std::string format_real(double value);

/// A double-quoted YAML text.
std::string quote(std::string_view text);

/// `[a, b]`.
std::string format_list(const std::vector<std::string>& items);

}  // namespace vim::config

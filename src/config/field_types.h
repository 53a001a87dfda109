// Makers of table rows, one for each type of value.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "src/config/field.h"

namespace vim::config {

/// Where a field keeps its value.
template <typename T>
using Access = T* (*)(RunConfig&);

struct IntegerRange {
  int64_t low = 0;
  int64_t high = std::numeric_limits<int32_t>::max();
  std::string_view zero_word = {};  // if set, it and 0 are taken too: "auto"
};

struct RealRange {
  double low = 0;
  double high = std::numeric_limits<double>::infinity();
  bool is_low_included = true;
  bool is_high_included = true;

  bool contains(double value) const;
};

inline constexpr RealRange kPositive = {.is_low_included = false};
inline constexpr RealRange kNotNegative = {};
inline constexpr RealRange kFraction = {.high = 1};
inline constexpr RealRange kBelowOne = {.high = 1, .is_high_included = false};

/// How a key is called and documented.
struct Label {
  std::string_view key;
  std::string_view doc;
};

Field integer(const Label& label, Access<int64_t> access, const IntegerRange& range);
Field unsigned_integer(const Label& label, Access<uint64_t> access);
Field real(const Label& label, Access<double> access, const RealRange& range);
Field boolean(const Label& label, Access<bool> access);
Field text(const Label& label, Access<std::string> access);

Field text_list(const Label& label, Access<std::vector<std::string>> access);

/// A number, or `none` for absent.
Field optional_real(
    const Label& label, Access<std::optional<double>> access, const RealRange& range);

Field real_pair(const Label& label, Access<std::array<double, 2>> access, const RealRange& range);
/// A list of two numbers, or `none` for absent.
Field optional_real_pair(
    const Label& label,
    Access<std::optional<std::array<double, 2>>> access,
    const RealRange& range);

Field real_triple(const Label& label, Access<std::array<double, 3>> access, const RealRange& range);

/// Height and width: one integer for both, or [height, width].
Field extent(const Label& label, Access<std::array<int64_t, 2>> access, const IntegerRange& range);

/// `none`, a preset's short name or its official one; setting it replaces all model options.
Field preset(const Label& label, Access<models::VisionMambaOptions> access);

/// "one of a, b, c".
std::string describe_words(const std::vector<std::string_view>& words);

/// One of several words.
template <typename Enum>
Field choice(
    const Label& label, Access<Enum> access, std::vector<std::pair<std::string_view, Enum>> names) {
  Field field{label.key, label.doc, "", {}, {}, {}};
  for (const auto& name : names) {
    field.words.push_back(name.first);
  }
  field.expected = describe_words(field.words);
  field.set = [access, names](RunConfig& config, const Value& value) {
    for (const auto& [word, item] : names) {
      if (plain_scalar(value) == word) {
        *access(config) = item;
        return true;
      }
    }
    return false;
  };
  field.get = [access, names](RunConfig& config) {
    for (const auto& [word, item] : names) {
      if (*access(config) == item) {
        return std::string(word);
      }
    }
    return std::string();
  };
  return field;
}

}  // namespace vim::config

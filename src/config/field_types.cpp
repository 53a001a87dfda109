// Parsing and printing for each type of value.
#include "src/config/field_types.h"

#include <fmt/format.h>

#include <algorithm>

#include "src/models/presets.h"

namespace vim::config {
namespace {

constexpr std::string_view kNone = "none";

std::string describe(const IntegerRange& range) {
  const std::string word = range.zero_word.empty() ? "" : fmt::format("{} or ", range.zero_word);
  const bool is_open = range.high >= std::numeric_limits<int32_t>::max();
  return is_open ? fmt::format("{}an integer of at least {}", word, range.low)
                 : fmt::format("{}an integer from {} to {}", word, range.low, range.high);
}

std::string describe(const RealRange& range) {
  const bool has_high = range.high != std::numeric_limits<double>::infinity();
  const char* low = range.is_low_included ? (has_high ? "from" : "of at least") : "above";
  std::string text = fmt::format("a number {} {}", low, range.low);
  if (has_high) {
    text += fmt::format(" {} {}", range.is_high_included ? "to" : "to below", range.high);
  }
  return text;
}

bool parse_into(std::string_view item, const IntegerRange& range, int64_t& target) {
  if (!range.zero_word.empty() && (item == range.zero_word || item == "0")) {
    target = 0;
    return true;
  }
  const std::optional<int64_t> number = parse_integer(item);
  if (!number || *number < range.low || *number > range.high) {
    return false;
  }
  target = *number;
  return true;
}

bool parse_into(std::string_view item, const RealRange& range, double& target) {
  const std::optional<double> number = parse_real(item);
  if (!number || !range.contains(*number)) {
    return false;
  }
  target = *number;
  return true;
}

// All N items or nothing.
template <size_t N, typename T, typename Range>
bool parse_list(const Value& value, const Range& range, std::array<T, N>& target) {
  if (value.kind != Value::Kind::kList || value.items.size() != N) {
    return false;
  }
  std::array<T, N> numbers{};
  for (size_t i = 0; i < N; ++i) {
    if (!parse_into(value.items[i], range, numbers[i])) {
      return false;
    }
  }
  target = numbers;
  return true;
}

template <size_t N>
std::string describe_list(const RealRange& range) {
  return fmt::format("a list of {} numbers, each {}", N, describe(range));
}

template <size_t N>
std::string format_reals(const std::array<double, N>& numbers) {
  std::vector<std::string> items;
  for (const double number : numbers) {
    items.push_back(format_real(number));
  }
  return format_list(items);
}

template <size_t N>
Field real_list(const Label& label, Access<std::array<double, N>> access, const RealRange& range) {
  return {
      label.key,
      label.doc,
      describe_list<N>(range),
      {},
      [access, range](RunConfig& config, const Value& value) {
        return parse_list(value, range, *access(config));
      },
      [access](RunConfig& config) { return format_reals(*access(config)); }};
}

std::string format_integer(int64_t number, const IntegerRange& range) {
  const bool is_word = number == 0 && !range.zero_word.empty();
  return is_word ? std::string(range.zero_word) : std::to_string(number);
}

template <typename T, typename Range, typename Format>
Field ranged(const Label& label, Access<T> access, const Range& range, Format format) {
  return {
      label.key,
      label.doc,
      describe(range),
      {},
      [access, range](RunConfig& config, const Value& value) {
        return parse_into(plain_scalar(value), range, *access(config));
      },
      [access, format](RunConfig& config) { return format(*access(config)); }};
}

}  // namespace

bool RealRange::contains(double value) const {
  const bool is_above = is_low_included ? value >= low : value > low;
  const bool is_below = is_high_included ? value <= high : value < high;
  return is_above && is_below;
}

std::string describe_words(const std::vector<std::string_view>& words) {
  return fmt::format("one of {}", fmt::join(words, ", "));
}

Field integer(const Label& label, Access<int64_t> access, const IntegerRange& range) {
  return ranged(
      label, access, range, [range](int64_t number) { return format_integer(number, range); });
}

Field unsigned_integer(const Label& label, Access<uint64_t> access) {
  return {
      label.key,
      label.doc,
      "an integer from 0 to 18446744073709551615",
      {},
      [access](RunConfig& config, const Value& value) {
        const std::optional<uint64_t> number = parse_unsigned(plain_scalar(value));
        *access(config) = number.value_or(*access(config));
        return number.has_value();
      },
      [access](RunConfig& config) { return std::to_string(*access(config)); }};
}

Field real(const Label& label, Access<double> access, const RealRange& range) {
  return ranged(label, access, range, format_real);
}

Field boolean(const Label& label, Access<bool> access) {
  return {
      label.key,
      label.doc,
      "true or false",
      {"true", "false"},
      [access](RunConfig& config, const Value& value) {
        const std::string_view word = plain_scalar(value);
        if (word != "true" && word != "false") {
          return false;
        }
        *access(config) = word == "true";
        return true;
      },
      [access](RunConfig& config) { return *access(config) ? "true" : "false"; }};
}

Field text(const Label& label, Access<std::string> access) {
  return {
      label.key,
      label.doc,
      "a text (\"\" for none)",
      {},
      [access](RunConfig& config, const Value& value) {
        if (value.kind != Value::Kind::kScalar) {
          return false;
        }
        *access(config) = value.items.at(0);
        return true;
      },
      [access](RunConfig& config) { return quote(*access(config)); }};
}

Field text_list(const Label& label, Access<std::vector<std::string>> access) {
  return {
      label.key,
      label.doc,
      "a list of texts ([] for none)",
      {},
      [access](RunConfig& config, const Value& value) {
        if (value.kind != Value::Kind::kList) {
          return false;
        }
        *access(config) = value.items;
        return true;
      },
      [access](RunConfig& config) {
        std::vector<std::string> items;
        for (const std::string& item : *access(config)) {
          items.push_back(quote(item));
        }
        return format_list(items);
      }};
}

Field optional_real(
    const Label& label, Access<std::optional<double>> access, const RealRange& range) {
  return {
      label.key,
      label.doc,
      fmt::format("{} or {}", kNone, describe(range)),
      {},
      [access, range](RunConfig& config, const Value& value) {
        double number = 0;
        if (plain_scalar(value) == kNone) {
          access(config)->reset();
          return true;
        }
        if (!parse_into(plain_scalar(value), range, number)) {
          return false;
        }
        *access(config) = number;
        return true;
      },
      [access](RunConfig& config) {
        const std::optional<double>& number = *access(config);
        return number ? format_real(*number) : std::string(kNone);
      }};
}

Field real_pair(const Label& label, Access<std::array<double, 2>> access, const RealRange& range) {
  return real_list<2>(label, access, range);
}

Field optional_real_pair(
    const Label& label,
    Access<std::optional<std::array<double, 2>>> access,
    const RealRange& range) {
  return {
      label.key,
      label.doc,
      fmt::format("{} or {}", kNone, describe_list<2>(range)),
      {},
      [access, range](RunConfig& config, const Value& value) {
        std::array<double, 2> numbers{};
        if (plain_scalar(value) == kNone) {
          access(config)->reset();
          return true;
        }
        if (!parse_list(value, range, numbers)) {
          return false;
        }
        *access(config) = numbers;
        return true;
      },
      [access](RunConfig& config) {
        const std::optional<std::array<double, 2>>& numbers = *access(config);
        return numbers ? format_reals(*numbers) : std::string(kNone);
      }};
}

Field real_triple(
    const Label& label, Access<std::array<double, 3>> access, const RealRange& range) {
  return real_list<3>(label, access, range);
}

Field extent(const Label& label, Access<std::array<int64_t, 2>> access, const IntegerRange& range) {
  return {
      label.key,
      label.doc,
      fmt::format("{}, or [height, width] of such", describe(range)),
      {},
      [access, range](RunConfig& config, const Value& value) {
        int64_t side = 0;
        if (parse_into(plain_scalar(value), range, side)) {
          *access(config) = {side, side};
          return true;
        }
        return parse_list(value, range, *access(config));
      },
      [access](RunConfig& config) {
        const auto [height, width] = *access(config);
        return height == width ? std::to_string(height) : fmt::format("[{}, {}]", height, width);
      }};
}

Field preset(const Label& label, Access<models::VisionMambaOptions> access) {
  std::vector<std::string_view> words = models::preset_names();
  words.insert(words.begin(), kNone);
  return {
      label.key,
      label.doc,
      describe_words(words),
      words,
      [access](RunConfig& config, const Value& value) {
        const std::string_view name = plain_scalar(value);
        if (name == kNone) {
          *access(config) = {};
          return true;
        }
        const std::optional<models::VisionMambaOptions> options = models::find_preset(name);
        *access(config) = options.value_or(*access(config));
        return options.has_value();
      },
      [access](RunConfig& config) {
        const std::string& name = access(config)->preset;
        return name.empty() ? std::string(kNone) : name;
      }};
}

}  // namespace vim::config

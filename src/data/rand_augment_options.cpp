// The parser: a table of the parts, the longer names first.
#include "src/data/rand_augment_options.h"

#include <array>
#include <charconv>
#include <limits>
#include <optional>
#include <set>
#include <stdexcept>
#include <string_view>

#include <fmt/format.h>

namespace vim::data {
namespace {

constexpr double kUniformAbove = 100.0;  // a deviation so large stands for the uniform draw
constexpr int64_t kMaxLayers = 100;
constexpr int64_t kMaxWeightedLayers = 13;  // operations of positive weight

[[noreturn]] void refuse(const std::string& text, const std::string& what) {
  throw std::invalid_argument(
      fmt::format("\"{}\": {}; use a form like rand-m9-n2-mstd0.5-inc1, or none", text, what));
}

std::optional<double> parse_number(std::string_view text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool is_whole = error == std::errc() && end == text.data() + text.size();
  return is_whole ? std::optional(number) : std::nullopt;
}

// A part's name, the numbers it takes, and where they go.
struct Part {
  std::string_view name;
  double low;
  double high;
  bool is_integer;
  void (*store)(RandAugmentOptions& options, double value);
};

constexpr double kInfinity = std::numeric_limits<double>::infinity();

constexpr std::array<Part, 5> kParts = {{
    {"mstd",
     0,
     kInfinity,
     false,
     [](RandAugmentOptions& o, double v) { o.magnitude_std = v > kUniformAbove ? kInfinity : v; }},
    {"inc", 0, 1, true, [](RandAugmentOptions& o, double v) { o.is_increasing = v == 1; }},
    {"m", 0, 10, false, [](RandAugmentOptions& o, double v) { o.magnitude = v; }},
    {"n",
     1,
     kMaxLayers,
     true,
     [](RandAugmentOptions& o, double v) { o.num_layers = static_cast<int64_t>(v); }},
    {"w", 0, 0, true, [](RandAugmentOptions& o, double) { o.is_weighted = true; }},
}};

const Part* find_part(std::string_view word) {
  for (const Part& part : kParts) {
    if (word.starts_with(part.name)) {
      return &part;
    }
  }
  return nullptr;
}

std::string describe(const Part& part) {
  const char* kind = part.is_integer ? "an integer" : "a number";
  return part.high == kInfinity  ? fmt::format("{} of at least {} or inf", kind, part.low)
         : part.low == part.high ? fmt::format("{}", part.low)
                                 : fmt::format("{} from {} to {}", kind, part.low, part.high);
}

// Stores one part and returns its name.
std::string_view read_part(
    const std::string& text, std::string_view word, RandAugmentOptions& options) {
  const Part* part = find_part(word);
  if (part == nullptr) {
    refuse(text, fmt::format("\"{}\" is no part of a RandAugment policy", word));
  }
  const std::optional<double> number = parse_number(word.substr(part->name.size()));
  const bool is_taken =
      number && *number >= part->low && *number <= part->high &&
      (!part->is_integer || *number == static_cast<double>(static_cast<int64_t>(*number)));
  if (!is_taken) {
    refuse(text, fmt::format("\"{}\": {} takes {}", word, part->name, describe(*part)));
  }
  part->store(options, *number);
  return part->name;
}

}  // namespace

RandAugmentOptions parse_rand_augment(const std::string& text) {
  RandAugmentOptions options;
  std::set<std::string_view> seen;
  std::string_view rest = text;
  for (bool is_first = true; is_first || !rest.empty(); is_first = false) {
    const size_t dash = rest.find('-');
    const std::string_view word = rest.substr(0, dash);
    rest = dash == std::string_view::npos ? std::string_view() : rest.substr(dash + 1);
    if (is_first && word != "rand") {
      refuse(text, "an automatic augmentation policy starts with rand");
    }
    if (!is_first && !seen.insert(read_part(text, word, options)).second) {
      refuse(text, fmt::format("\"{}\" sets a value that is set before", word));
    }
  }
  if (text.ends_with('-')) {
    refuse(text, "a part is missing at the end");
  }
  if (options.is_weighted && options.num_layers > kMaxWeightedLayers) {
    refuse(text, fmt::format("w0 draws each operation once and has only {}", kMaxWeightedLayers));
  }
  return options;
}

}  // namespace vim::data

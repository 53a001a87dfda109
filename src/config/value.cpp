// Text to numbers and back, independent of the locale.
#include "src/config/value.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

namespace vim::config {
namespace {

template <typename Number>
std::optional<Number> parse_whole(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool is_whole = error == std::errc() && end == text.data() + text.size();
  return is_whole ? std::optional(number) : std::nullopt;
}

}  // namespace

std::string describe(const Value& value) {
  constexpr size_t kLongest = 60;  // bytes; a cut inside a UTF-8 sequence is avoided below
  switch (value.kind) {
    case Value::Kind::kEmpty:
      return "nothing";
    case Value::Kind::kOther:
      return "a nested section";
    case Value::Kind::kScalar:
    case Value::Kind::kList:
      break;
  }
  std::string text = value.kind == Value::Kind::kList ? format_list(value.items)
                     : value.is_quoted                ? quote(value.items.at(0))
                                                      : value.items.at(0);
  if (text.size() > kLongest) {
    size_t length = kLongest;
    while (length > 0 && (static_cast<unsigned char>(text[length]) & 0xC0) == 0x80) {
      --length;
    }
    text = text.substr(0, length) + "...";
  }
  return text;
}

std::string_view plain_scalar(const Value& value) {
  const bool is_plain = value.kind == Value::Kind::kScalar && !value.is_quoted;
  return is_plain ? std::string_view(value.items.at(0)) : std::string_view();
}

std::optional<int64_t> parse_integer(std::string_view text) { return parse_whole<int64_t>(text); }

std::optional<uint64_t> parse_unsigned(std::string_view text) {
  return parse_whole<uint64_t>(text);
}

std::optional<double> parse_real(std::string_view text) {
  const std::optional<double> number = parse_whole<double>(text);
  return number && std::isfinite(*number) ? number : std::nullopt;
}

std::string format_real(double value) {
  std::string text = fmt::format("{}", value);
  if (text.find('.') == std::string::npos) {
    const size_t exponent = text.find('e');
    text.insert(exponent == std::string::npos ? text.size() : exponent, ".0");
  }
  return text;
}

std::string quote(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      quoted.append({'\\', c});
    } else if (code < 0x20 || code == 0x7F) {
      quoted.append(fmt::format("\\x{:02x}", code));
    } else {
      quoted.push_back(c);
    }
  }
  return quoted + "\"";
}

std::string format_list(const std::vector<std::string>& items) {
  return fmt::format("[{}]", fmt::join(items, ", "));
}

}  // namespace vim::config

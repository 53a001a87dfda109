// Decoders for the text forms of protocol 0 and for integers of any length.
#include "src/weights/pickle_literals.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <optional>

namespace vim::weights {
namespace {

constexpr size_t kLongestInteger = 1024;  // bytes, or digits

bool is_digits(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// The decimal digits of a magnitude given in bytes, lowest first, by way of base 10^9.
std::string decimal_text(std::span<const uint8_t> bytes, bool is_negative) {
  constexpr uint64_t kBase = 1'000'000'000;
  std::vector<uint64_t> digits = {0};
  for (size_t i = bytes.size(); i-- > 0;) {
    uint64_t carry = bytes[i];
    for (uint64_t& digit : digits) {
      carry += digit << 8U;
      digit = carry % kBase;
      carry /= kBase;
    }
    if (carry != 0) {
      digits.push_back(carry);
    }
  }
  std::string text = fmt::format("{}{}", is_negative ? "-" : "", digits.back());
  for (size_t i = digits.size() - 1; i-- > 0;) {
    text += fmt::format("{:09}", digits[i]);
  }
  return text;
}

// Turns two's complement into its magnitude.
void negate(std::vector<uint8_t>& bytes) {
  uint32_t carry = 1;
  for (uint8_t& value : bytes) {
    carry += static_cast<uint8_t>(~value);
    value = static_cast<uint8_t>(carry);
    carry >>= 8U;
  }
}

void append_utf8(uint32_t code, std::string& text) {
  if (code < 0x80) {
    text += static_cast<char>(code);
    return;
  }
  const int num_trailing = code < 0x800 ? 1 : (code < 0x10000 ? 2 : 3);
  constexpr uint32_t kLead[] = {0, 0xC0, 0xE0, 0xF0};
  text += static_cast<char>(kLead[num_trailing] | (code >> (6 * num_trailing)));
  for (int i = num_trailing - 1; i >= 0; --i) {
    text += static_cast<char>(0x80 | ((code >> (6 * i)) & 0x3F));
  }
}

// `count` hexadecimal digits at `position`, or nothing.
std::optional<uint32_t> parse_hex(std::string_view text, size_t position, size_t count) {
  if (position > text.size() || text.size() - position < count) {
    return std::nullopt;
  }
  uint32_t value = 0;
  const char* begin = text.data() + position;
  const auto result = std::from_chars(begin, begin + count, value, 16);
  const bool is_whole = result.ec == std::errc() && result.ptr == begin + count;
  return is_whole && value <= 0x10FFFF ? std::optional(value) : std::nullopt;
}

// Undoes the escape whose backslash stands at `position`, and returns the position behind it.
size_t unescape(std::string_view text, size_t position, std::string& out) {
  constexpr std::string_view kLetters = "nrtabfv\\'\"";
  constexpr std::string_view kValues = "\n\r\t\a\b\f\v\\'\"";
  const char letter = position + 1 < text.size() ? text[position + 1] : '\0';
  if (letter == 'x') {
    const auto code = parse_hex(text, position + 2, 2);
    out += code ? static_cast<char>(*code) : '?';
    return position + (code ? 4 : 2);
  }
  const size_t known = letter == '\0' ? std::string_view::npos : kLetters.find(letter);
  if (known == std::string_view::npos) {
    out += '\\';
    return position + 1;
  }
  out += kValues[known];
  return position + 2;
}

}  // namespace

PickleValue* add_long(PickleArena& arena, std::span<const std::byte> bytes) {
  if (bytes.size() > kLongestInteger) {
    arena.fail("an integer of " + std::to_string(bytes.size()) + " bytes");
  }
  const bool is_negative = !bytes.empty() && (bytes.back() & std::byte{0x80}) != std::byte{0};
  if (bytes.size() <= sizeof(int64_t)) {
    uint64_t value = is_negative ? ~uint64_t{0} : 0;
    for (size_t i = bytes.size(); i-- > 0;) {
      value = (value << 8U) | std::to_integer<uint64_t>(bytes[i]);
    }
    return arena.add_int(static_cast<int64_t>(value));
  }
  std::vector<uint8_t> magnitude;
  for (const std::byte value : bytes) {
    magnitude.push_back(std::to_integer<uint8_t>(value));
  }
  if (is_negative) {
    negate(magnitude);
  }
  arena.charge(bytes.size());
  return add_decimal(arena, decimal_text(magnitude, is_negative));
}

PickleValue* add_decimal(PickleArena& arena, std::string_view digits) {
  if (digits == "00" || digits == "01") {
    PickleValue* value = arena.add(PickleKind::kBool);
    value->integer = digits == "01" ? 1 : 0;
    return value;
  }
  if (digits.ends_with('L')) {
    digits.remove_suffix(1);
  }
  const bool is_negative = digits.starts_with('-');
  const bool is_number = is_digits(digits.substr(is_negative ? 1 : 0));
  if (!is_number || digits.size() > 3 * kLongestInteger) {
    arena.fail("a text that is no integer stands for one");
  }
  int64_t number = 0;
  const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return result.ec == std::errc() ? arena.add_int(number)
                                  : arena.add_text(PickleKind::kBigInt, digits);
}

PickleValue* add_real(PickleArena& arena, std::string_view text) {
  PickleValue* value = arena.add(PickleKind::kFloat);
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, value->real);
  if (result.ptr != end ||
      (result.ec != std::errc() && result.ec != std::errc::result_out_of_range)) {
    arena.fail("a text that is no number stands for one");
  }
  return value;
}

double big_endian_real(std::span<const std::byte> bytes) {
  uint64_t bits = 0;
  for (const std::byte value : bytes) {
    bits = (bits << 8U) | std::to_integer<uint64_t>(value);
  }
  return std::bit_cast<double>(bits);
}

PickleValue* add_quoted(PickleArena& arena, std::string_view quoted) {
  const char quote = quoted.empty() ? '\0' : quoted.front();
  const bool is_quoted =
      quoted.size() >= 2 && (quote == '\'' || quote == '"') && quoted.back() == quote;
  if (!is_quoted) {
    arena.fail("a text without its quotes");
  }
  quoted = quoted.substr(1, quoted.size() - 2);
  std::string text;
  for (size_t i = 0; i < quoted.size();) {
    if (quoted[i] == '\\') {
      i = unescape(quoted, i, text);
    } else {
      text += quoted[i++];
    }
  }
  return arena.add_text(PickleKind::kString, text);
}

PickleValue* add_raw_unicode(PickleArena& arena, std::string_view raw) {
  std::string text;
  for (size_t i = 0; i < raw.size();) {
    const std::string_view rest = raw.substr(i);
    const size_t count = rest.starts_with("\\u") ? 4 : (rest.starts_with("\\U") ? 8 : 0);
    const auto code = count > 0 ? parse_hex(raw, i + 2, count) : std::nullopt;
    append_utf8(code ? *code : static_cast<unsigned char>(raw[i]), text);
    i += code ? count + 2 : 1;
  }
  return arena.add_text(PickleKind::kString, text);
}

bool to_latin1(std::string_view utf8, std::string& bytes) {
  for (size_t i = 0; i < utf8.size(); ++i) {
    const auto lead = static_cast<unsigned char>(utf8[i]);
    if (lead < 0x80) {
      bytes += utf8[i];
      continue;
    }
    // Only the leads 0xC2 and 0xC3 give code points from 128 to 255.
    const bool is_pair = (lead == 0xC2 || lead == 0xC3) && i + 1 < utf8.size() &&
                         (static_cast<unsigned char>(utf8[i + 1]) & 0xC0) == 0x80;
    if (!is_pair) {
      return false;
    }
    const auto trail = static_cast<unsigned char>(utf8[++i]);
    bytes += static_cast<char>(((lead & 0x03) << 6) | (trail & 0x3F));
  }
  return true;
}

}  // namespace vim::weights

// Reading little-endian numbers and stretches of bytes one after the other, never past the end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace vim::weights {

/// The bytes as text, not copied.
std::string_view as_text(std::span<const std::byte> bytes);

/// A position in bytes. `where` names them in errors; what is missing is `what`. Bytes and name are
/// viewed, not copied. Every read throws vim::Error if the bytes end before it does.
class ByteCursor {
 public:
  ByteCursor(std::span<const std::byte> bytes, const std::string& where)
      : bytes_(bytes), where_(&where) {}

  size_t position() const { return position_; }
  size_t left() const { return bytes_.size() - position_; }

  /// Goes to a position. Throws vim::Error if it lies beyond the end.
  void seek(uint64_t position);

  /// The next `count` bytes.
  std::span<const std::byte> take(uint64_t count);

  /// The next `count` bytes as text.
  std::string_view take_text(uint64_t count) { return as_text(take(count)); }

  /// The text up to the next line feed, which is passed over.
  std::string_view take_line();

  uint8_t take_u8() { return static_cast<uint8_t>(take_number(1)); }
  uint16_t take_u16() { return static_cast<uint16_t>(take_number(2)); }
  uint32_t take_u32() { return static_cast<uint32_t>(take_number(4)); }
  uint64_t take_u64() { return take_number(8); }

 private:
  uint64_t take_number(size_t size);

  std::span<const std::byte> bytes_;
  const std::string* where_;
  size_t position_ = 0;
};

}  // namespace vim::weights

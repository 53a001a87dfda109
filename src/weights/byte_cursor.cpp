// Bounds first, then the bytes.
#include "src/weights/byte_cursor.h"

#include "src/core/error.h"

namespace vim::weights {
namespace {

[[noreturn]] void fail(const std::string& where, size_t position, uint64_t wanted, size_t left) {
  throw Error(
      where + ": " + std::to_string(wanted) + " bytes are wanted at byte " +
      std::to_string(position) + ", " + std::to_string(left) +
      " are left; the file is damaged or incomplete, fetch or write it again");
}

}  // namespace

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void ByteCursor::seek(uint64_t position) {
  if (position > bytes_.size()) {
    fail(*where_, bytes_.size(), position - bytes_.size(), 0);
  }
  position_ = position;
}

std::span<const std::byte> ByteCursor::take(uint64_t count) {
  if (count > left()) {
    fail(*where_, position_, count, left());
  }
  const auto taken = bytes_.subspan(position_, count);
  position_ += count;
  return taken;
}

std::string_view ByteCursor::take_line() {
  const std::string_view rest = as_text(bytes_.subspan(position_));
  const size_t end = rest.find('\n');
  if (end == std::string_view::npos) {
    fail(*where_, position_, left() + 1, left());
  }
  position_ += end + 1;
  return rest.substr(0, end);
}

uint64_t ByteCursor::take_number(size_t size) {
  uint64_t value = 0;
  size_t shift = 0;
  for (const std::byte digit : take(size)) {
    value |= std::to_integer<uint64_t>(digit) << shift;
    shift += 8;
  }
  return value;
}

}  // namespace vim::weights

// One reader for each format. A header that is cut off reads as zeros, which claim nothing.
#include "src/data/image/declared_size.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>

namespace vim::data {
namespace {

enum class ByteOrder { kLittle, kBig };

class HeaderBytes {
 public:
  HeaderBytes(std::span<const uint8_t> bytes, ByteOrder order) : bytes_(bytes), order_(order) {}

  // The unsigned number of `length` bytes at a place; 0 if they are not all there.
  int64_t number(uint64_t at, uint64_t length) const {
    if (at > bytes_.size() || length > bytes_.size() - at) {
      return 0;
    }
    int64_t value = 0;
    for (uint64_t i = 0; i < length; ++i) {
      const uint64_t place = order_ == ByteOrder::kBig ? at + i : at + length - 1 - i;
      value = value << 8 | bytes_[place];
    }
    return value;
  }

 private:
  std::span<const uint8_t> bytes_;
  ByteOrder order_;
};

Size png_size(std::span<const uint8_t> bytes) {
  const HeaderBytes header(bytes, ByteOrder::kBig);
  return {header.number(20, 4), header.number(16, 4)};
}

Size gif_size(std::span<const uint8_t> bytes) {
  const HeaderBytes header(bytes, ByteOrder::kLittle);
  return {header.number(8, 2), header.number(6, 2)};
}

// A negative height means rows from top to bottom.
Size bmp_size(std::span<const uint8_t> bytes) {
  constexpr int64_t kOldHeaderSize = 12;
  const HeaderBytes header(bytes, ByteOrder::kLittle);
  if (header.number(14, 4) == kOldHeaderSize) {
    return {header.number(20, 2), header.number(18, 2)};
  }
  const auto height = static_cast<int32_t>(header.number(22, 4));
  return {std::abs(int64_t{height}), header.number(18, 4)};
}

Size webp_size(std::span<const uint8_t> bytes) {
  constexpr int64_t kExtended = 0x58385056;  // "VP8X"
  const HeaderBytes header(bytes, ByteOrder::kLittle);
  if (header.number(12, 4) != kExtended) {
    return {};
  }
  return {header.number(27, 3) + 1, header.number(24, 3) + 1};
}

Size tiff_size(std::span<const uint8_t> bytes) {
  constexpr int64_t kWidthTag = 256;
  constexpr int64_t kHeightTag = 257;
  constexpr int64_t kShort = 3;
  constexpr uint64_t kEntryBytes = 12;
  const HeaderBytes header(bytes, bytes[0] == 'M' ? ByteOrder::kBig : ByteOrder::kLittle);
  const auto directory = static_cast<uint64_t>(header.number(4, 4));
  Size size;
  for (int64_t i = 0; i < header.number(directory, 2); ++i) {
    const uint64_t entry = directory + 2 + static_cast<uint64_t>(i) * kEntryBytes;
    const int64_t tag = header.number(entry, 2);
    const int64_t value = header.number(entry + 8, header.number(entry + 2, 2) == kShort ? 2 : 4);
    if (tag == kWidthTag) {
      size.width = value;
    } else if (tag == kHeightTag) {
      size.height = value;
    }
  }
  return size;
}

// Reads decimal numbers between blanks and comments, which go from # to the end of their line.
class NetpbmNumbers {
 public:
  explicit NetpbmNumbers(std::span<const uint8_t> bytes) : rest_(bytes) {}

  int64_t next() {
    skip_blanks();
    int64_t value = 0;
    while (!rest_.empty() && std::isdigit(rest_[0]) != 0) {
      value = std::min<int64_t>(value * 10 + (rest_[0] - '0'), UINT32_MAX);
      rest_ = rest_.subspan(1);
    }
    return value;
  }

 private:
  void skip_blanks() {
    bool is_comment = false;
    while (!rest_.empty() && (is_comment || rest_[0] == '#' || std::isspace(rest_[0]) != 0)) {
      is_comment = (is_comment || rest_[0] == '#') && rest_[0] != '\n';
      rest_ = rest_.subspan(1);
    }
  }

  std::span<const uint8_t> rest_;
};

Size netpbm_size(std::span<const uint8_t> bytes) {
  NetpbmNumbers numbers(bytes.subspan(2));
  const int64_t width = numbers.next();
  return {numbers.next(), width};
}

Size read_size(ImageFormat format, std::span<const uint8_t> bytes) {
  switch (format) {
    case ImageFormat::kPng:
      return png_size(bytes);
    case ImageFormat::kGif:
      return gif_size(bytes);
    case ImageFormat::kBmp:
      return bmp_size(bytes);
    case ImageFormat::kWebp:
      return webp_size(bytes);
    case ImageFormat::kTiff:
      return tiff_size(bytes);
    case ImageFormat::kNetpbm:
      return netpbm_size(bytes);
    default:
      return {};
  }
}

}  // namespace

std::optional<Size> declared_size(ImageFormat format, std::span<const uint8_t> bytes) {
  const Size size = read_size(format, bytes);
  return size.height > 0 && size.width > 0 ? std::optional(size) : std::nullopt;
}

}  // namespace vim::data

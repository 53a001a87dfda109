// A TIFF header, a list of 12-byte entries, one of them the orientation.
#include "src/data/image/exif.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>

namespace vim::data {
namespace {

constexpr std::array<uint8_t, 6> kExifId = {'E', 'x', 'i', 'f', 0, 0};
constexpr size_t kEntryBytes = 12;
constexpr uint32_t kOrientationTag = 0x0112;
constexpr uint32_t kShortType = 3;

// Numbers of a TIFF block in its own byte order; 0 beyond its end.
class TiffBlock {
 public:
  explicit TiffBlock(std::span<const uint8_t> bytes)
      : bytes_(bytes), is_big_endian_(!bytes.empty() && bytes[0] == 'M') {}

  uint32_t number(size_t offset, size_t num_bytes) const {
    if (offset > bytes_.size() || num_bytes > bytes_.size() - offset) {
      return 0;
    }
    uint32_t value = 0;
    for (size_t i = 0; i < num_bytes; ++i) {
      const size_t at = is_big_endian_ ? i : num_bytes - 1 - i;
      value = value << 8 | bytes_[offset + at];
    }
    return value;
  }

 private:
  std::span<const uint8_t> bytes_;
  bool is_big_endian_;
};

}  // namespace

int exif_orientation(std::span<const uint8_t> segment) {
  if (segment.size() < kExifId.size() ||
      !std::equal(kExifId.begin(), kExifId.end(), segment.begin())) {
    return 0;
  }
  const TiffBlock tiff(segment.subspan(kExifId.size()));
  const size_t directory = tiff.number(4, 4);
  const uint32_t num_entries = tiff.number(directory, 2);
  for (uint32_t i = 0; i < num_entries; ++i) {
    const size_t entry = directory + 2 + i * kEntryBytes;
    if (tiff.number(entry, 2) == kOrientationTag && tiff.number(entry + 2, 2) == kShortType) {
      const uint32_t value = tiff.number(entry + 8, 2);
      return value >= 1 && value <= 8 ? static_cast<int>(value) : 0;
    }
  }
  return 0;
}

Image turn_upright(const ImageView& image, int orientation) {
  // Where row 0 and column 0 of the stored picture belong, as the standard's table lists them.
  const bool is_transposed = orientation >= 5;
  const bool is_row_reversed =
      orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
  const bool is_column_reversed =
      orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
  Image upright{image.height, image.width, {}};
  if (is_transposed) {
    std::swap(upright.height, upright.width);
  }
  upright.pixels.resize(static_cast<size_t>(image.height * image.width * 3));
  uint8_t* out = upright.pixels.data();
  for (int64_t y = 0; y < upright.height; ++y) {
    for (int64_t x = 0; x < upright.width; ++x, out += 3) {
      const int64_t row = is_row_reversed ? upright.height - 1 - y : y;
      const int64_t column = is_column_reversed ? upright.width - 1 - x : x;
      const int64_t source_row = is_transposed ? column : row;
      const int64_t source_column = is_transposed ? row : column;
      std::memcpy(out, image.pixels + source_row * image.row_stride + source_column * 3, 3);
    }
  }
  return upright;
}

}  // namespace vim::data

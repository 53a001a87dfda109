// Fuzz target: whatever the bytes, a JPEG decodes to an image of the size it has, or is BadImage.
// Of other formats, whose decoders are not ours, only the header is read.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "src/data/declared_size.h"
#include "src/data/decode.h"
#include "src/data/image_format.h"

namespace {

// Larger pictures are left out: nearly all the time would go into their pixels.
constexpr int64_t kMaxPixels = int64_t{1} << 18;

// True if anything in the bytes could be the frame header of a larger picture.
bool may_be_large(std::span<const uint8_t> bytes) {
  for (size_t i = 0; i + 8 < bytes.size(); ++i) {
    const bool is_frame = bytes[i] == 0xFF && (bytes[i + 1] & 0xF0) == 0xC0;
    const int64_t height = int64_t{bytes[i + 5]} << 8 | bytes[i + 6];
    const int64_t width = int64_t{bytes[i + 7]} << 8 | bytes[i + 8];
    if (is_frame && height * width > kMaxPixels) {
      return true;
    }
  }
  return false;
}

void require(bool holds) {
  if (!holds) {
    std::abort();
  }
}

void decode(std::span<const uint8_t> bytes) {
  try {
    const vim::data::Image image = vim::data::decode_image(bytes);
    require(image.height > 0 && image.width > 0);
    require(image.pixels.size() == static_cast<size_t>(image.height * image.width * 3));
  } catch (const vim::data::BadImage& bad) {
    require(*bad.what() != '\0');
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span bytes(data, size);
  const vim::data::ImageFormat format = vim::data::image_format(bytes);
  const auto declared = vim::data::declared_size(format, bytes);
  require(!declared || (declared->height > 0 && declared->width > 0));
  if ((format == vim::data::ImageFormat::kJpeg || bytes.empty()) && !may_be_large(bytes)) {
    decode(bytes);
  }
  return 0;
}

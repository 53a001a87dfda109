// Fuzz target: whatever the bytes, a JPEG decodes or is BadImage, by our entropy decoder and by
// libjpeg's to the same pixels, and a part of it to those of the whole.
// Of other formats, whose decoders are not ours, only the header is read.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <span>
#include <vector>

#include "src/data/image/declared_size.h"
#include "src/data/image/decode.h"
#include "src/data/image/image_format.h"
#include "src/data/image/jpeg_decoder.h"

namespace {

using vim::data::Box;
using vim::data::EntropyDecoder;
using vim::data::JpegDecoder;
using vim::data::Size;

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

// The pixels of a box, by either entropy decoder; nothing if the file is bad.
std::optional<std::vector<uint8_t>> decode(
    std::span<const uint8_t> bytes, const Box& box, EntropyDecoder entropy) {
  JpegDecoder decoder(entropy);
  std::vector<uint8_t> buffer;
  std::vector<uint8_t> pixels;
  try {
    const Size size = decoder.open(bytes);
    const Box wanted = box.height == 0 ? Box{0, 0, size.height, size.width} : box;
    const vim::data::ImagePart part =
        decoder.decode({wanted}, vim::data::DecodeMode::kExact, buffer);
    const vim::data::ImageView view = view_of(part, wanted);
    for (int64_t y = 0; y < view.height; ++y) {
      const uint8_t* const row = view.pixels + y * view.row_stride;
      pixels.insert(pixels.end(), row, row + view.width * 3);
    }
  } catch (const vim::data::BadImage& bad) {
    require(*bad.what() != '\0');
    return std::nullopt;
  }
  return pixels;
}

// A box anywhere in the picture, drawn from the file's own bytes.
Box some_box(const vim::data::Image& image, std::span<const uint8_t> bytes) {
  const auto draw = [&](size_t place, int64_t below) {
    return int64_t{bytes[bytes.size() * place / 4]} * below / 256;
  };
  Box box{0, 0, 1 + draw(0, image.height), 1 + draw(1, image.width)};
  box.top = draw(2, image.height - box.height + 1);
  box.left = draw(3, image.width - box.width + 1);
  return box;
}

void check_decoding(std::span<const uint8_t> bytes) {
  const auto own = decode(bytes, {}, EntropyDecoder::kOwn);
  require(own == decode(bytes, {}, EntropyDecoder::kLibrary));
  if (!own) {
    return;
  }
  vim::data::ImageDecoder upright({vim::data::DecodeMode::kFast, true});
  const Size turned = upright.open(bytes);
  upright.decode({{0, 0, turned.height, turned.width}, {1, 1}});
  const vim::data::Image whole = vim::data::decode_image(bytes);
  require(whole.pixels == *own);
  const Box box = some_box(whole, bytes);
  const vim::data::ImageView view = view_of(whole, box);
  const auto part = decode(bytes, box, EntropyDecoder::kOwn);
  require(part.has_value());
  for (int64_t y = 0; y < box.height; ++y) {
    const uint8_t* const row = view.pixels + y * view.row_stride;
    require(std::equal(row, row + box.width * 3, part->begin() + y * box.width * 3));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span bytes(data, size);
  const vim::data::ImageFormat format = vim::data::image_format(bytes);
  const auto declared = vim::data::declared_size(format, bytes);
  require(!declared || (declared->height > 0 && declared->width > 0));
  if (format == vim::data::ImageFormat::kJpeg && !may_be_large(bytes)) {
    check_decoding(bytes);
  }
  return 0;
}

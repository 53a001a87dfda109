// The choice of decoder by magic bytes, and turning upright.
#include "src/data/image/decode.h"

#include <vector>

#include <fmt/format.h>

#include "src/data/image/exif.h"
#include "src/data/image/jpeg_decoder.h"
#include "src/data/image/opencv_formats.h"

namespace vim::data {

class ImageDecoder::Impl {
 public:
  explicit Impl(DecodeOptions options) : options_(options) {}

  Size open(std::span<const uint8_t> bytes) {
    if (bytes.empty()) {
      throw BadImage("the file is empty");
    }
    is_jpeg_ = is_jpeg(bytes);
    orientation_ = 1;
    if (is_jpeg_) {
      size_ = jpeg_.open(bytes);
      orientation_ = options_.exif_rotate ? jpeg_.orientation() : 1;
    } else {
      whole_ = decode_other_format(bytes);
      size_ = {whole_.height, whole_.width};
    }
    return orientation_ < 5 ? size_ : Size{size_.width, size_.height};
  }

  ImagePart decode(const DecodeRequest& request) {
    if (!is_jpeg_) {
      return part_of(view_of(whole_));
    }
    if (orientation_ == 1) {
      check_box(request.box);
      return jpeg_.decode(request, options_.mode, pixels_);
    }
    const ImagePart stored =
        jpeg_.decode({{0, 0, size_.height, size_.width}}, options_.mode, pixels_);
    whole_ = turn_upright(stored.pixels, orientation_);
    return part_of(view_of(whole_));
  }

 private:
  void check_box(const Box& box) const {
    const bool is_inside = box.top >= 0 && box.left >= 0 && box.height >= 1 && box.width >= 1 &&
                           box.top + box.height <= size_.height &&
                           box.left + box.width <= size_.width;
    if (!is_inside) {
      throw std::invalid_argument(fmt::format(
          "ImageDecoder: box of {}x{} at ({}, {}) must lie in the picture of {}x{}",
          box.height,
          box.width,
          box.top,
          box.left,
          size_.height,
          size_.width));
    }
  }

  const DecodeOptions options_;
  JpegDecoder jpeg_;
  std::vector<uint8_t> pixels_;  // of a JPEG's part
  Image whole_;                  // of another format, or turned
  bool is_jpeg_ = false;
  int orientation_ = 1;
  Size size_;  // as stored
};

ImageDecoder::ImageDecoder(DecodeOptions options) : impl_(std::make_unique<Impl>(options)) {}

ImageDecoder::~ImageDecoder() = default;

Size ImageDecoder::open(std::span<const uint8_t> bytes) { return impl_->open(bytes); }

ImagePart ImageDecoder::decode(const DecodeRequest& request) { return impl_->decode(request); }

Image decode_image(std::span<const uint8_t> bytes) {
  if (!bytes.empty() && !is_jpeg(bytes)) {
    return decode_other_format(bytes);
  }
  ImageDecoder decoder;
  const Size size = decoder.open(bytes);
  const ImagePart part = decoder.decode({{0, 0, size.height, size.width}});
  return {
      size.height,
      size.width,
      {part.pixels.pixels, part.pixels.pixels + size.height * size.width * 3}};
}

}  // namespace vim::data

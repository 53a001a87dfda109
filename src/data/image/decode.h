// Image files to RGB pixels: JPEG through libjpeg-turbo, everything else through OpenCV.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <stdexcept>

#include "src/data/data_options.h"
#include "src/data/image/image.h"

namespace vim::data {

/// The bytes are no image that can be read. The text is the reason alone, without a file name.
class BadImage : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Larger pictures are refused before their pixels are allocated.
inline constexpr int64_t kMaxImagePixels = int64_t{1} << 28;

/// Decodes a file's bytes; the format is told by the first bytes, never by a name. Throws BadImage
/// on empty, foreign, truncated or oversized data. Equal to PIL's open(..).convert("RGB"): JPEG by
/// the accurate integer DCT with smooth chroma up-sampling, CMYK taken as Adobe writes it
/// (inverted), EXIF orientation ignored. Other formats: palettes and grey expanded, 16 bits cut to
/// the upper 8, alpha dropped; they need a build with OpenCV.
Image decode_image(std::span<const uint8_t> bytes);

/// What somebody needs of a picture: the pixels in `box`, which will be resized to `target`. An
/// empty target asks for full resolution.
struct DecodeRequest {
  Box box;
  Size target = {};
};

/// Decodes one picture after another, as little of each as is asked for, and keeps its memory. For
/// one thread.
class ImageDecoder {
 public:
  explicit ImageDecoder(DecodeOptions options = {});
  ~ImageDecoder();
  ImageDecoder(const ImageDecoder&) = delete;
  ImageDecoder& operator=(const ImageDecoder&) = delete;

  /// Begins with a file's bytes, which must stay until the next open(), and returns the picture's
  /// size. Throws BadImage as decode_image() does.
  Size open(std::span<const uint8_t> bytes);

  /// At least the request's box, valid until the next open(). With DecodeMode::kExact its pixels
  /// are those of decode_image(), and a file is bad whichever box is asked for or none. Once per
  /// open(). Throws BadImage; std::invalid_argument on a box outside the picture.
  ImagePart decode(const DecodeRequest& request);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vim::data

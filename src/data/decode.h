// Image files to RGB pixels: JPEG through libjpeg-turbo, everything else through OpenCV.
#pragma once

#include <cstdint>
#include <span>
#include <stdexcept>

#include "src/data/image.h"

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

}  // namespace vim::data

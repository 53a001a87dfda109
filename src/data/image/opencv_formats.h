// The formats that OpenCV reads and writes. A build without OpenCV has the same functions, which
// refuse.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "src/data/image/image.h"

namespace vim::data {

/// Decodes anything but JPEG. Throws BadImage.
Image decode_other_format(std::span<const uint8_t> bytes);

/// JPEG bytes of the image, quality 0..100. Throws vim::Error in a build without OpenCV.
std::vector<uint8_t> encode_jpeg(const Image& image, int quality);

/// PNG bytes of the image. Throws vim::Error in a build without OpenCV.
std::vector<uint8_t> encode_png(const Image& image);

}  // namespace vim::data

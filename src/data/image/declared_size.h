// The size that an image file claims in its header, before anything is allocated for it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "src/data/image/image.h"
#include "src/data/image/image_format.h"

namespace vim::data {

/// Height and width as the header of a PNG, BMP, GIF, WebP, TIFF (its first picture) or netpbm file
/// has them, up to 2^32; nothing for other formats and where the header is cut off. Of WebP only
/// the extended form is looked at: the others cannot exceed 16384 x 16384.
std::optional<Size> declared_size(ImageFormat format, std::span<const uint8_t> bytes);

}  // namespace vim::data

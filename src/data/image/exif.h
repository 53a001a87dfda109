// The one EXIF field that matters here.
#pragma once

#include <cstdint>
#include <span>

#include "src/data/image/image.h"

namespace vim::data {

/// The orientation, 1 to 8, in the payload of a JPEG's APP1 segment; 0 where it holds none. Source:
/// Exif 2.3 (CIPA DC-008), sections 4.5.4 and 4.6.4.
int exif_orientation(std::span<const uint8_t> segment);

/// The picture turned and mirrored so that it stands upright; orientation 1 to 8.
Image turn_upright(const ImageView& image, int orientation);

}  // namespace vim::data

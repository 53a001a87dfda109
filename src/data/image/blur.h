// Gaussian blur, equal byte for byte to Pillow 10.1's.
#pragma once

#include <cstdint>
#include <vector>

#include "src/data/image/image.h"

namespace vim::data {

/// Blurs the image in place with standard deviation `radius` in pixels, approximated by three box
/// filters of fractional width along each axis; beyond the border the outermost pixel goes on.
/// radius >= 0; 0 changes nothing. `scratch` is resized as needed. Source: Gwosdek et al. 2011,
/// "Theoretical foundations of Gaussian convolution by extended box filtering".
void gaussian_blur(const ImageSpan& image, double radius, std::vector<uint8_t>& scratch);

}  // namespace vim::data

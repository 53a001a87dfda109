// Saturation, contrast, brightness and sharpness of an image, in place. Equal byte for byte to
// Pillow 10.1's ImageEnhance on RGB images.
#pragma once

#include <cstdint>
#include <vector>

#include "src/data/image/image.h"

namespace vim::data {

/// Gives each pixel's red, green and blue its luma, (19595 R + 38470 G + 7471 B + 2^15) / 2^16.
void greyscale(const ImageSpan& image);

/// The functions below return other + factor * (value - other), computed in float, cut to [0, 255]
/// and to an integer: factor 1 changes nothing, 0 gives the other image, above 1 goes away from it.

/// The other image is each pixel's luma.
void adjust_saturation(const ImageSpan& image, double factor);

/// The other image is the mean luma of all pixels, rounded.
void adjust_contrast(const ImageSpan& image, double factor);

/// The other image is black.
void adjust_brightness(const ImageSpan& image, double factor);

/// The other image is a smoothed one: 5/13 of each pixel and 1/13 of each of its eight neighbours,
/// rounded; the outermost pixels are left as they are. `scratch` is resized as needed.
void adjust_sharpness(const ImageSpan& image, double factor, std::vector<uint8_t>& scratch);

}  // namespace vim::data

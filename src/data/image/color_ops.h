// Operations that map each value of an image by itself, in place. Equal byte for byte to Pillow
// 10.1's ImageOps on RGB images.
#pragma once

#include "src/data/image/image.h"

namespace vim::data {

/// Stretches each channel so that its darkest value becomes 0 and its brightest 255.
void autocontrast(const ImageSpan& image);

/// Flattens the histogram of each channel.
void equalize(const ImageSpan& image);

/// 255 - value.
void invert(const ImageSpan& image);

/// Keeps the upper `bits` of each value, bits in [0, 8]; 0 leaves black.
void posterize(const ImageSpan& image, int bits);

/// Inverts the values from `threshold` on; 256 and above change nothing.
void solarize(const ImageSpan& image, int threshold);

/// Adds `amount` to the values below `threshold`, up to 255.
void solarize_add(const ImageSpan& image, int amount, int threshold = 128);

}  // namespace vim::data

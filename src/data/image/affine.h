// Shear, translation and rotation of an image in its own frame, equal byte for byte to Pillow
// 10.1's Image.transform and Image.rotate: no antialiasing, a cubic of its own (a = -1).
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "src/data/data_options.h"
#include "src/data/image/image.h"

namespace vim::data {

/// Where an output pixel comes from: x_in = m[0] x + m[1] y + m[2], y_in = m[3] x + m[4] y + m[5],
/// in pixels, where the centre of the first pixel is (0.5, 0.5).
using AffineMap = std::array<double, 6>;

/// How source pixels are mixed, and the colour of what lies outside the source.
struct AffineSampling {
  Interpolation interpolation = Interpolation::kBicubic;  // kLanczos serves as kBicubic
  std::array<uint8_t, 3> fill = {0, 0, 0};
};

/// x_in = x + factor * y.
AffineMap shear_x_map(double factor);

/// y_in = y + factor * x.
AffineMap shear_y_map(double factor);

/// x_in = x + dx, y_in = y + dy: the content moves by (-dx, -dy).
AffineMap translation_map(double dx, double dy);

/// Replaces the image by its image under the map. `scratch` is resized as needed. Throws
/// std::invalid_argument for kRandom.
void transform_affine(
    const ImageSpan& image,
    const AffineMap& map,
    const AffineSampling& sampling,
    std::vector<uint8_t>& scratch);

/// Turns the image counter-clockwise about its centre. A half turn, and a quarter turn of a square,
/// move pixels without mixing them.
void rotate(
    const ImageSpan& image,
    double degrees,
    const AffineSampling& sampling,
    std::vector<uint8_t>& scratch);

}  // namespace vim::data

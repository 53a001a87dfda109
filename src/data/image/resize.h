// Antialiased resizing, bit for bit as Pillow 10.1 does it on 8-bit images.
#pragma once

#include <cstdint>

#include "src/data/data_options.h"
#include "src/data/image/image.h"

namespace vim::data {

/// The size of a whole result, and the part of it that is wanted.
struct ResizeTarget {
  int64_t height = 0;
  int64_t width = 0;
  Box window;
  bool is_mirrored = false;  // the window's columns are written from right to left
};

/// Resizes `source` to target.height x target.width, of which only target.window is computed and
/// written to `out`: window.height x window.width x 3 bytes. Per axis with scale s = in / out the
/// filter is widened by max(s, 1); weights are normalised and rounded to 22 fractional bits; the
/// horizontal pass comes first with an 8-bit intermediate, and where an axis keeps its size, so do
/// the pixels. kNearest takes the pixel under the centre instead. Throws std::invalid_argument
/// on an empty size, a window outside the result, or kRandom.
void resize_window(
    const ImageView& source, Interpolation interpolation, const ResizeTarget& target, uint8_t* out);

/// The same from a part of the source, which must hold source_box(): std::invalid_argument
/// otherwise.
void resize_window(
    const ImagePart& source, Interpolation interpolation, const ResizeTarget& target, uint8_t* out);

/// The pixels of a source of that size that resize_window() reads.
Box source_box(const Size& source, Interpolation interpolation, const ResizeTarget& target);

/// The whole result.
Image resize(const ImageView& source, Interpolation interpolation, int64_t height, int64_t width);

}  // namespace vim::data

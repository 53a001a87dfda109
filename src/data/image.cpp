// Views of images.
#include "src/data/image.h"

#include <stdexcept>

#include <fmt/format.h>

namespace vim::data {

ImageView view_of(const Image& image) {
  return {image.pixels.data(), image.height, image.width, image.width * 3};
}

ImageSpan span_of(Image& image) { return {image.pixels.data(), image.height, image.width}; }

ImageView view_of(const Image& image, const Box& box) {
  const bool inside = box.top >= 0 && box.left >= 0 && box.height >= 1 && box.width >= 1 &&
                      box.top + box.height <= image.height && box.left + box.width <= image.width;
  if (!inside) {
    throw std::invalid_argument(fmt::format(
        "view_of: box of {}x{} at ({}, {}) must lie in the image of {}x{}",
        box.height,
        box.width,
        box.top,
        box.left,
        image.height,
        image.width));
  }
  const int64_t row_stride = image.width * 3;
  return {
      image.pixels.data() + box.top * row_stride + box.left * 3, box.height, box.width, row_stride};
}

}  // namespace vim::data

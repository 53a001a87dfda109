// Views of images and of parts of them.
#include "src/data/image/image.h"

#include <algorithm>
#include <stdexcept>

#include <fmt/format.h>

namespace vim::data {
namespace {

// [first, first + length) of `from` positions in units of `to` positions, rounded to nearest.
void scale_range(int64_t from, int64_t to, int64_t& first, int64_t& length) {
  if (from == to) {
    return;
  }
  const auto scale = [&](int64_t position) { return (2 * position * to + from) / (2 * from); };
  const int64_t begin = std::min(scale(first), to - 1);
  length = std::max<int64_t>(scale(first + length) - begin, 1);
  first = begin;
}

}  // namespace

ImageView view_of(const Image& image) {
  return {image.pixels.data(), image.height, image.width, image.width * 3};
}

ImageSpan span_of(Image& image) { return {image.pixels.data(), image.height, image.width}; }

ImagePart part_of(const ImageView& whole) {
  const Size size{whole.height, whole.width};
  return {whole, {0, 0, size.height, size.width}, size, size};
}

Box to_stored(const ImagePart& part, const Box& original) {
  Box box = original;
  scale_range(part.original.height, part.stored.height, box.top, box.height);
  scale_range(part.original.width, part.stored.width, box.left, box.width);
  return box;
}

ImageView view_of(const ImagePart& part, const Box& stored) {
  const int64_t top = stored.top - part.box.top;
  const int64_t left = stored.left - part.box.left;
  const ImageView& all = part.pixels;
  const bool is_inside = top >= 0 && left >= 0 && stored.height >= 1 && stored.width >= 1 &&
                         top + stored.height <= all.height && left + stored.width <= all.width;
  if (!is_inside) {
    throw std::invalid_argument(fmt::format(
        "view_of: box of {}x{} at ({}, {}) must lie in the decoded {}x{} at ({}, {})",
        stored.height,
        stored.width,
        stored.top,
        stored.left,
        all.height,
        all.width,
        part.box.top,
        part.box.left));
  }
  return {
      all.pixels + top * all.row_stride + left * 3, stored.height, stored.width, all.row_stride};
}

ImageView view_of(const Image& image, const Box& box) {
  return view_of(part_of(view_of(image)), box);
}

}  // namespace vim::data

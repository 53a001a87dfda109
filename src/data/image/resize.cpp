// Two passes of integer filters, along rows and then along columns, over as little of the source as
// the wanted window needs.
#include "src/data/image/resize.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <vector>

#include <fmt/format.h>

#include "src/data/image/axis_filter.h"

namespace vim::data {
namespace {

Axis rows_of(const Size& source, const ResizeTarget& target) {
  return {source.height, target.height, target.window.top, target.window.height};
}

Axis columns_of(const Size& source, const ResizeTarget& target) {
  return {source.width, target.width, target.window.left, target.window.width};
}

void copy_rows(const ImageView& source, uint8_t* out) {
  for (int64_t row = 0; row < source.height; ++row, out += source.width * 3) {
    std::memcpy(out, source.pixels + row * source.row_stride, source.width * 3);
  }
}

// Filters along x, two rows at a time. A row behind which there are fewer bytes than may be read is
// copied.
void filter_rows(const ImageView& source, const AxisFilter& filter, uint8_t* out) {
  const auto length = static_cast<int64_t>(filter.taps.size());
  const int64_t row_bytes = source.width * 3;
  const uint8_t* const end = source.pixels + (source.height - 1) * source.row_stride + row_bytes;
  std::vector<uint8_t> copies[2];
  const auto readable_row = [&](int64_t y) {
    const uint8_t* const row = source.pixels + y * source.row_stride;
    if (end - row >= row_bytes + kResizeSlack) {
      return row;
    }
    std::vector<uint8_t>& copy = copies[y % 2];
    copy.resize(static_cast<size_t>(row_bytes + kResizeSlack));
    std::memcpy(copy.data(), row, static_cast<size_t>(row_bytes));
    return static_cast<const uint8_t*>(copy.data());
  };
  for (int64_t y = 0; y < source.height; y += 2) {
    const int64_t second = std::min(y + 1, source.height - 1);
    filter_row_pair(
        {readable_row(y), readable_row(second)},
        filter.taps.data(),
        length,
        {out + y * length * 3, out + second * length * 3});
  }
}

// Resizes `source`, the pixels of `box`, along x.
void resize_rows(
    const ImageView& source,
    const Box& box,
    Interpolation interpolation,
    const Axis& columns,
    uint8_t* out) {
  if (columns.in_size == columns.out_size) {
    copy_rows(source, out);
    return;
  }
  filter_rows(source, make_filter(columns, interpolation, box.left), out);
}

void pick_nearest(const ImagePart& source, const ResizeTarget& target, uint8_t* out) {
  const std::vector<int64_t> columns = nearest_positions(columns_of(source.stored, target));
  for (const int64_t row : nearest_positions(rows_of(source.stored, target))) {
    const uint8_t* const pixels =
        source.pixels.pixels + (row - source.box.top) * source.pixels.row_stride;
    for (const int64_t column : columns) {
      std::memcpy(out, pixels + (column - source.box.left) * 3, 3);
      out += 3;
    }
  }
}

void check_sizes(const Size& source, const ResizeTarget& target) {
  const Box& window = target.window;
  const bool inside = window.top >= 0 && window.left >= 0 && window.height >= 1 &&
                      window.width >= 1 && window.top + window.height <= target.height &&
                      window.left + window.width <= target.width;
  if (source.height < 1 || source.width < 1 || !inside) {
    throw std::invalid_argument(fmt::format(
        "resize: a source of at least 1x1 and a window inside the result of {}x{} required, got "
        "{}x{} and {}x{} at ({}, {})",
        target.height,
        target.width,
        source.height,
        source.width,
        window.height,
        window.width,
        window.top,
        window.left));
  }
}

}  // namespace

Box source_box(const Size& source, Interpolation interpolation, const ResizeTarget& target) {
  check_sizes(source, target);
  const SourceRange rows = source_range(rows_of(source, target), interpolation);
  const SourceRange columns = source_range(columns_of(source, target), interpolation);
  return {rows.begin, columns.begin, rows.end - rows.begin, columns.end - columns.begin};
}

void resize_window(
    const ImagePart& source,
    Interpolation interpolation,
    const ResizeTarget& target,
    uint8_t* out) {
  const Box box = source_box(source.stored, interpolation, target);
  const ImageView needed = view_of(source, box);
  if (interpolation == Interpolation::kNearest) {
    pick_nearest(source, target, out);
    return;
  }
  const Axis rows = rows_of(source.stored, target);
  const Axis columns = columns_of(source.stored, target);
  if (rows.in_size == rows.out_size) {
    resize_rows(needed, box, interpolation, columns, out);
    return;
  }
  const int64_t row_bytes = columns.length * 3;
  std::vector<uint8_t> narrow(static_cast<size_t>(box.height * row_bytes + kResizeSlack));
  resize_rows(needed, box, interpolation, columns, narrow.data());
  const AxisFilter filter = make_filter(rows, interpolation, box.top);
  for (const TapRange& taps : filter.taps) {
    filter_columns({narrow.data(), row_bytes}, taps, out);
    out += row_bytes;
  }
}

void resize_window(
    const ImageView& source,
    Interpolation interpolation,
    const ResizeTarget& target,
    uint8_t* out) {
  check_sizes({source.height, source.width}, target);
  resize_window(part_of(source), interpolation, target, out);
}

Image resize(const ImageView& source, Interpolation interpolation, int64_t height, int64_t width) {
  const ResizeTarget target{height, width, {0, 0, height, width}};
  check_sizes({source.height, source.width}, target);
  Image image{height, width, std::vector<uint8_t>(static_cast<size_t>(height * width * 3))};
  resize_window(source, interpolation, target, image.pixels.data());
  return image;
}

}  // namespace vim::data

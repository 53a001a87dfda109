// Two passes of integer filters, along rows and then along columns, over as little of the source as
// the wanted window needs.
#include "src/data/image/resize.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <vector>

#include <fmt/format.h>

#include "src/data/image/axis_filter.h"

namespace vim::data {
namespace {

constexpr int64_t kStripRows = 2 * kTurnedRows;

Axis rows_of(const Size& source, const ResizeTarget& target) {
  return {source.height, target.height, target.window.top, target.window.height};
}

Axis columns_of(const Size& source, const ResizeTarget& target) {
  return {source.width, target.width, target.window.left, target.window.width};
}

int64_t round_up(int64_t n, int64_t step) { return (n + step - 1) / step * step; }

// Bytes without a value yet.
std::unique_ptr<uint8_t[]> make_buffer(int64_t num_bytes) {
  return std::make_unique_for_overwrite<uint8_t[]>(static_cast<size_t>(num_bytes + kLineSlack));
}

// The rows of a view, each with kResizeSlack bytes behind it that may be read.
class ReadableRows {
 public:
  explicit ReadableRows(const ImageView& view) : view_(view) {}

  const uint8_t* operator[](int64_t y) {
    const int64_t row_bytes = view_.width * 3;
    const uint8_t* const row = view_.pixels + y * view_.row_stride;
    const uint8_t* const end = view_.pixels + (view_.height - 1) * view_.row_stride + row_bytes;
    if (end - row >= row_bytes + kResizeSlack) {
      return row;
    }
    std::vector<uint8_t>& copy = copies_.emplace_back(row, row + row_bytes);
    copy.resize(static_cast<size_t>(row_bytes + kResizeSlack));
    return copy.data();
  }

 private:
  ImageView view_;
  std::vector<std::vector<uint8_t>> copies_;
};

// Filters along x, and writes the rows in pairs: strip by strip, so that they stay in the cache,
// columns are turned into lines, filtered and turned back.
void filter_columns(const ImageView& source, const AxisFilter& filter, const LinePairs& out) {
  const int64_t num_lines = static_cast<int64_t>(filter.taps.size()) * 3;
  const int64_t all_lines = round_up(num_lines, kTurnedLines);
  const auto turned = make_buffer(round_up(source.width, kTurnedPixels) * 3 * kStripRows);
  const auto filtered = make_buffer(all_lines * kStripRows);
  ReadableRows readable(source);
  std::vector<const uint8_t*> rows;
  for (int64_t y = 0; y < source.height; y += kStripRows) {
    const int64_t num_rows = std::min(kStripRows, round_up(source.height - y, kTurnedRows));
    rows.clear();
    for (int64_t i = y; i < y + num_rows; ++i) {
      rows.push_back(i < source.height ? readable[i] : rows.back());
    }
    turn_columns(rows, source.width, turned.get());
    filter_lines({turned.get(), num_rows * 6}, filter.taps, {filtered.get(), num_rows * 3});
    turn_back({filtered.get(), num_rows}, all_lines, {out.bytes + y / 2 * out.stride, out.stride});
  }
}

void pick_nearest(const ImagePart& source, const ResizeTarget& target, uint8_t* out) {
  std::vector<int64_t> columns = nearest_positions(columns_of(source.stored, target));
  if (target.is_mirrored) {
    std::reverse(columns.begin(), columns.end());
  }
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
  const Axis columns = columns_of(source.stored, target);
  const int64_t stride = round_up(columns.length * 3, kTurnedLines) * 2;
  const auto narrow = make_buffer(round_up(box.height, kTurnedRows) / 2 * stride);
  AxisFilter across = make_filter(columns, interpolation, box.left);
  if (target.is_mirrored) {
    std::reverse(across.taps.begin(), across.taps.end());
  }
  filter_columns(needed, across, {narrow.get(), stride});
  const AxisFilter down = make_filter(rows_of(source.stored, target), interpolation, box.top);
  filter_lines({narrow.get(), stride}, down.taps, {out, columns.length * 3});
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

// Two passes of integer filters. The arithmetic, including the order of the double operations that
// make the weights, follows Pillow's published definition; results are equal, not just close.
#include "src/data/resize.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>
#include <span>
#include <stdexcept>
#include <vector>

#include <fmt/format.h>

#include "src/data/resize_rows.h"

namespace vim::data {
namespace {

// The filters of the wanted output positions of one axis. Their source ranges are ordered.
struct AxisFilter {
  std::vector<TapRange> taps;
  std::vector<WeightPair> weights;  // what the taps point to

  int64_t begin() const { return taps.front().first; }
  int64_t end() const { return taps.back().first + taps.back().num_taps; }
};

double bicubic(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1.0) {
    return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
  }
  return x < 2.0 ? (((x - 5.0) * x + 8.0) * x - 4.0) * a : 0.0;
}

double triangle(double x) {
  x = std::abs(x);
  return x < 1.0 ? 1.0 - x : 0.0;
}

double sinc(double x) {
  const double angle = x * std::numbers::pi;
  return x == 0.0 ? 1.0 : std::sin(angle) / angle;
}

double lanczos(double x) { return x >= -3.0 && x < 3.0 ? sinc(x) * sinc(x / 3.0) : 0.0; }

// A filter and how far from 0 it reaches.
struct Kernel {
  double (*weight)(double);
  double support;
};

Kernel kernel_of(Interpolation interpolation) {
  switch (interpolation) {
    case Interpolation::kBilinear:
      return {triangle, 1.0};
    case Interpolation::kBicubic:
      return {bicubic, 2.0};
    case Interpolation::kLanczos:
      return {lanczos, 3.0};
    case Interpolation::kNearest:
    case Interpolation::kRandom:
      break;
  }
  throw std::invalid_argument("resize: this interpolation has no filter; draw kRandom's first");
}

// Normalises to sum 1, rounds half away from zero to kWeightBits fractional bits and cuts into
// halves.
void quantise(std::span<const double> exact, WeightPair* pairs) {
  double sum = 0.0;
  for (const double weight : exact) {
    sum += weight;
  }
  for (size_t i = 0; i < exact.size(); ++i) {
    const double scaled = (sum != 0.0 ? exact[i] / sum : exact[i]) * (1 << kWeightBits);
    const auto weight = static_cast<int32_t>(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
    WeightPair& pair = pairs[i / 2];
    pair.low[i % 2] = static_cast<int16_t>(weight & 0xFFFF);
    pair.high[i % 2] = static_cast<int16_t>((weight - pair.low[i % 2]) >> 16);
  }
}

AxisFilter make_filter(
    int64_t in_size, int64_t out_size, int64_t begin, int64_t length, Interpolation interpolation) {
  const Kernel kernel = kernel_of(interpolation);
  const double scale = static_cast<double>(in_size) / static_cast<double>(out_size);
  const double widening = std::max(scale, 1.0);
  const double support = kernel.support * widening;
  const double inverse = 1.0 / widening;
  const int64_t max_pairs = static_cast<int64_t>(std::ceil(support)) + 1;
  AxisFilter filter;
  filter.taps.reserve(static_cast<size_t>(length));
  filter.weights.resize(static_cast<size_t>(max_pairs * length));
  std::vector<double> exact;
  for (int64_t i = 0; i < length; ++i) {
    const double centre = (static_cast<double>(begin + i) + 0.5) * scale;
    const int64_t first = std::max<int64_t>(static_cast<int64_t>(centre - support + 0.5), 0);
    const int64_t end = std::min(static_cast<int64_t>(centre + support + 0.5), in_size);
    exact.clear();
    for (int64_t x = first; x < end; ++x) {
      const double distance = (static_cast<double>(x) - centre + 0.5) * inverse;
      exact.push_back(kernel.weight(distance));
    }
    WeightPair* const weights = &filter.weights[static_cast<size_t>(i * max_pairs)];
    quantise(exact, weights);
    filter.taps.push_back({first, end - first, weights});
  }
  return filter;
}

void copy_rows(const ImageView& source, uint8_t* out) {
  for (int64_t row = 0; row < source.height; ++row, out += source.width * 3) {
    std::memcpy(out, source.pixels + row * source.row_stride, source.width * 3);
  }
}

// Filters along x. A row behind which there are fewer bytes than filter_row may read is copied.
void filter_rows(const ImageView& source, const AxisFilter& filter, uint8_t* out) {
  const auto length = static_cast<int64_t>(filter.taps.size());
  const int64_t row_bytes = source.width * 3;
  const uint8_t* const end = source.pixels + (source.height - 1) * source.row_stride + row_bytes;
  std::vector<uint8_t> copy(static_cast<size_t>(row_bytes + kResizeSlack));
  for (int64_t y = 0; y < source.height; ++y, out += length * 3) {
    const uint8_t* row = source.pixels + y * source.row_stride;
    if (end - row < row_bytes + kResizeSlack) {
      std::memcpy(copy.data(), row, static_cast<size_t>(row_bytes));
      row = copy.data();
    }
    filter_row(row, filter.taps.data(), length, out);
  }
}

// Rows [rows.top, rows.top + rows.height) and the window's columns, resized along x.
void resize_rows(
    const ImageView& source,
    Interpolation interpolation,
    const ResizeTarget& target,
    const Box& rows,
    uint8_t* out) {
  ImageView part = source;
  part.pixels += rows.top * source.row_stride;
  part.height = rows.height;
  const Box& window = target.window;
  if (target.width == source.width) {
    part.pixels += window.left * 3;
    part.width = window.width;
    copy_rows(part, out);
    return;
  }
  filter_rows(
      part, make_filter(source.width, target.width, window.left, window.width, interpolation), out);
}

// The source position under the centre of each wanted output position. Pillow adds up steps, which
// rounds otherwise than a product.
std::vector<int64_t> nearest_positions(
    int64_t in_size, int64_t out_size, int64_t begin, int64_t length) {
  const double step = static_cast<double>(in_size) / static_cast<double>(out_size);
  double position = step * 0.5;
  std::vector<int64_t> positions;
  for (int64_t i = 0; i < begin + length; ++i, position += step) {
    if (i >= begin) {
      positions.push_back(std::min(static_cast<int64_t>(position), in_size - 1));
    }
  }
  return positions;
}

void pick_nearest(const ImageView& source, const ResizeTarget& target, uint8_t* out) {
  const Box& window = target.window;
  const auto rows = nearest_positions(source.height, target.height, window.top, window.height);
  const auto columns = nearest_positions(source.width, target.width, window.left, window.width);
  for (const int64_t row : rows) {
    const uint8_t* pixels = source.pixels + row * source.row_stride;
    for (const int64_t column : columns) {
      std::memcpy(out, pixels + column * 3, 3);
      out += 3;
    }
  }
}

void check_sizes(const ImageView& source, const ResizeTarget& target) {
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

void resize_window(
    const ImageView& source,
    Interpolation interpolation,
    const ResizeTarget& target,
    uint8_t* out) {
  check_sizes(source, target);
  if (interpolation == Interpolation::kNearest) {
    pick_nearest(source, target, out);
    return;
  }
  const Box& window = target.window;
  if (target.height == source.height) {
    resize_rows(source, interpolation, target, window, out);
    return;
  }
  const AxisFilter filter =
      make_filter(source.height, target.height, window.top, window.height, interpolation);
  const Box rows{filter.begin(), window.left, filter.end() - filter.begin(), window.width};
  const int64_t row_bytes = window.width * 3;
  std::vector<uint8_t> narrow(static_cast<size_t>(rows.height * row_bytes + kResizeSlack));
  resize_rows(source, interpolation, target, rows, narrow.data());
  for (const TapRange& taps : filter.taps) {
    filter_columns({narrow.data(), rows.top, row_bytes}, taps, out);
    out += row_bytes;
  }
}

Image resize(const ImageView& source, Interpolation interpolation, int64_t height, int64_t width) {
  const ResizeTarget target{height, width, {0, 0, height, width}};
  check_sizes(source, target);
  Image image{height, width, std::vector<uint8_t>(static_cast<size_t>(height * width * 3))};
  resize_window(source, interpolation, target, image.pixels.data());
  return image;
}

}  // namespace vim::data

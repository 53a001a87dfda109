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

namespace vim::data {
namespace {

constexpr int kWeightBits = 22;
constexpr int32_t kHalf = int32_t{1} << (kWeightBits - 1);

// For each wanted output position of one axis: the first source position and its weights.
struct AxisFilter {
  int64_t max_taps = 0;
  std::vector<int64_t> first;
  std::vector<int64_t> num_taps;
  std::vector<int32_t> weights;  // max_taps per output position

  const int32_t* weights_of(int64_t position) const { return &weights[position * max_taps]; }
  int64_t end() const { return first.back() + num_taps.back(); }
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

// Normalises to sum 1 and rounds half away from zero to kWeightBits fractional bits.
void quantise(std::span<const double> exact, int32_t* weights) {
  double sum = 0.0;
  for (const double weight : exact) {
    sum += weight;
  }
  for (size_t i = 0; i < exact.size(); ++i) {
    const double scaled = (sum != 0.0 ? exact[i] / sum : exact[i]) * (1 << kWeightBits);
    weights[i] = static_cast<int32_t>(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
  }
}

AxisFilter make_filter(
    int64_t in_size, int64_t out_size, int64_t begin, int64_t length, Interpolation interpolation) {
  const Kernel kernel = kernel_of(interpolation);
  const double scale = static_cast<double>(in_size) / static_cast<double>(out_size);
  const double widening = std::max(scale, 1.0);
  const double support = kernel.support * widening;
  const double inverse = 1.0 / widening;
  AxisFilter filter;
  filter.max_taps = static_cast<int64_t>(std::ceil(support)) * 2 + 1;
  filter.weights.resize(static_cast<size_t>(filter.max_taps * length));
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
    quantise(exact, &filter.weights[static_cast<size_t>(i * filter.max_taps)]);
    filter.first.push_back(first);
    filter.num_taps.push_back(end - first);
  }
  return filter;
}

uint8_t to_byte(int32_t sum) {
  return static_cast<uint8_t>(std::clamp(sum >> kWeightBits, 0, 255));
}

void filter_row(const uint8_t* in, const AxisFilter& filter, std::span<uint8_t> out) {
  const auto width = static_cast<int64_t>(out.size()) / 3;
  for (int64_t x = 0; x < width; ++x) {
    const uint8_t* pixel = in + filter.first[x] * 3;
    const int32_t* weights = filter.weights_of(x);
    int32_t red = kHalf;
    int32_t green = kHalf;
    int32_t blue = kHalf;
    for (int64_t tap = 0; tap < filter.num_taps[x]; ++tap, pixel += 3) {
      red += weights[tap] * pixel[0];
      green += weights[tap] * pixel[1];
      blue += weights[tap] * pixel[2];
    }
    out[x * 3] = to_byte(red);
    out[x * 3 + 1] = to_byte(green);
    out[x * 3 + 2] = to_byte(blue);
  }
}

// Output rows are sums of source rows, so the inner loop runs over neighbouring bytes. `in` is the
// row with number `in_begin`.
void filter_columns(const ImageView& in, int64_t in_begin, const AxisFilter& filter, uint8_t* out) {
  const int64_t row_bytes = in.width * 3;
  std::vector<int32_t> sums(static_cast<size_t>(row_bytes));
  for (size_t y = 0; y < filter.first.size(); ++y) {
    std::fill(sums.begin(), sums.end(), kHalf);
    const int32_t* weights = filter.weights_of(static_cast<int64_t>(y));
    const uint8_t* row = in.pixels + (filter.first[y] - in_begin) * in.row_stride;
    for (int64_t tap = 0; tap < filter.num_taps[y]; ++tap, row += in.row_stride) {
      const int32_t weight = weights[tap];
      for (int64_t i = 0; i < row_bytes; ++i) {
        sums[i] += weight * row[i];
      }
    }
    for (int64_t i = 0; i < row_bytes; ++i) {
      out[i] = to_byte(sums[i]);
    }
    out += row_bytes;
  }
}

void copy_rows(const ImageView& source, uint8_t* out) {
  for (int64_t row = 0; row < source.height; ++row, out += source.width * 3) {
    std::memcpy(out, source.pixels + row * source.row_stride, source.width * 3);
  }
}

// Rows [begin, begin + height) and columns [window.left, window.left + window.width), resized along
// x.
void resize_rows(
    const ImageView& source,
    Interpolation interpolation,
    const ResizeTarget& target,
    const Box& rows,
    uint8_t* out) {
  ImageView part = source;
  part.pixels += rows.top * source.row_stride;
  part.height = rows.height;
  if (target.width == source.width) {
    part.pixels += target.window.left * 3;
    part.width = target.window.width;
    copy_rows(part, out);
    return;
  }
  const Box& window = target.window;
  const AxisFilter filter =
      make_filter(source.width, target.width, window.left, window.width, interpolation);
  const int64_t row_bytes = window.width * 3;
  for (int64_t row = 0; row < part.height; ++row) {
    filter_row(
        part.pixels + row * part.row_stride,
        filter,
        {out + row * row_bytes, static_cast<size_t>(row_bytes)});
  }
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
  const int64_t begin = filter.first.front();
  const Box rows{begin, window.left, filter.end() - begin, window.width};
  std::vector<uint8_t> narrow(static_cast<size_t>(rows.height * rows.width * 3));
  resize_rows(source, interpolation, target, rows, narrow.data());
  filter_columns({narrow.data(), rows.height, rows.width, rows.width * 3}, begin, filter, out);
}

Image resize(const ImageView& source, Interpolation interpolation, int64_t height, int64_t width) {
  const ResizeTarget target{height, width, {0, 0, height, width}};
  check_sizes(source, target);
  Image image{height, width, std::vector<uint8_t>(static_cast<size_t>(height * width * 3))};
  resize_window(source, interpolation, target, image.pixels.data());
  return image;
}

}  // namespace vim::data

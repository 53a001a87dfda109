// Matrices, the framed copy that spares the inner loops all clamping, and nearest-neighbour
// sampling. The order of the double operations is Pillow's; this file is compiled without fused
// multiply-adds.
#include "src/data/image/affine.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <numbers>
#include <stdexcept>

#include "src/data/image/affine_rows.h"

namespace vim::data {
namespace {

// Python's round(value, 15): to the nearest decimal fraction, exactly.
double round_to_15_digits(double value) {
  std::array<char, 64> text{};
  char* const end = text.data() + text.size();
  const auto written = std::to_chars(text.data(), end, value, std::chars_format::fixed, 15);
  double rounded = value;
  std::from_chars(text.data(), written.ptr, rounded);
  return rounded;
}

AffineMap rotation_map(double degrees, int64_t height, int64_t width) {
  const double angle = -(degrees * (std::numbers::pi / 180.0));
  const double cosine = round_to_15_digits(std::cos(angle));
  const double sine = round_to_15_digits(std::sin(angle));
  const double minus_sine = round_to_15_digits(-std::sin(angle));
  const double x = static_cast<double>(width) / 2.0;
  const double y = static_cast<double>(height) / 2.0;
  return {
      cosine,
      sine,
      cosine * -x + sine * -y + x,
      minus_sine,
      cosine,
      minus_sine * -x + cosine * -y + y};
}

// Copies the image into scratch with kAffineFrame copies of the outermost pixels on each side.
AffineRows frame(const ImageSpan& image, std::vector<uint8_t>& scratch) {
  const int64_t row_bytes = image.width * 3;
  const int64_t frame_bytes = kAffineFrame * 3;
  const int64_t stride = row_bytes + 2 * frame_bytes;
  scratch.resize(static_cast<size_t>((image.height + 2 * kAffineFrame) * stride + kAffineSlack));
  uint8_t* out = scratch.data();
  for (int64_t y = -kAffineFrame; y < image.height + kAffineFrame; ++y, out += stride) {
    const uint8_t* row = image.pixels + std::clamp<int64_t>(y, 0, image.height - 1) * row_bytes;
    std::memcpy(out + frame_bytes, row, static_cast<size_t>(row_bytes));
    for (int64_t x = 0; x < kAffineFrame; ++x) {
      std::memcpy(out + x * 3, row, 3);
      std::memcpy(out + frame_bytes + row_bytes + x * 3, row + row_bytes - 3, 3);
    }
  }
  AffineRows rows;
  rows.source = scratch.data() + kAffineFrame * stride + frame_bytes;
  rows.source_stride = stride;
  rows.height = image.height;
  rows.width = image.width;
  rows.out = image.pixels;
  return rows;
}

// Source coordinates that grow by constant steps, as Pillow walks them for nearest neighbours: in
// double or in 16-bit fixed point.
template <typename T>
struct Walk {
  T x = 0;
  T y = 0;
  std::array<T, 4> steps{};  // of x and y from column to column, then from row to row
};

bool is_inside(double position, int64_t size) {
  return position >= 0.0 && position < static_cast<double>(size);
}
bool is_inside(int64_t position, int64_t size) { return position >= 0 && position >> 16 < size; }
int64_t pixel_at(double position) { return static_cast<int64_t>(position); }
int64_t pixel_at(int64_t position) { return position >> 16; }

template <typename T>
void pick_pixels(const AffineRows& rows, Walk<T> walk) {
  uint8_t* out = rows.out;
  for (int64_t row = 0; row < rows.height; ++row) {
    T x = walk.x;
    T y = walk.y;
    for (int64_t column = 0; column < rows.width; ++column, out += 3) {
      const bool inside = is_inside(x, rows.width) && is_inside(y, rows.height);
      const uint8_t* from = inside
                                ? rows.source + pixel_at(y) * rows.source_stride + pixel_at(x) * 3
                                : rows.fill.data();
      std::copy_n(from, 3, out);
      x += walk.steps[0];
      y += walk.steps[1];
    }
    walk.x += walk.steps[2];
    walk.y += walk.steps[3];
  }
}

int64_t to_fixed(double value) { return static_cast<int64_t>(std::floor(value * 65536.0 + 0.5)); }

// Whether all corners keep within 16 integer bits.
bool fits_fixed(const AffineRows& rows) {
  const AffineMap& m = rows.map;
  const auto width = static_cast<double>(rows.width);
  const auto height = static_cast<double>(rows.height);
  const auto fits = [&m](double x, double y) {
    return std::abs(x * m[0] + y * m[1] + m[2]) < 32768.0 &&
           std::abs(x * m[3] + y * m[4] + m[5]) < 32768.0;
  };
  return fits(0, 0) && fits(width, height) && fits(0, height) && fits(width, 0);
}

void pick_nearest(const AffineRows& rows) {
  const AffineMap& m = rows.map;
  const bool is_scaling = m[1] == 0.0 && m[3] == 0.0;
  if (!is_scaling && fits_fixed(rows)) {
    pick_pixels<int64_t>(
        rows,
        {to_fixed(m[2] + m[0] * 0.5 + m[1] * 0.5),
         to_fixed(m[5] + m[3] * 0.5 + m[4] * 0.5),
         {to_fixed(m[0]), to_fixed(m[3]), to_fixed(m[1]), to_fixed(m[4])}});
    return;
  }
  pick_pixels<double>(
      rows,
      {m[2] + m[1] * 0.5 + m[0] * 0.5, m[5] + m[4] * 0.5 + m[3] * 0.5, {m[0], m[3], m[1], m[4]}});
}

// The pixel order reversed: a half turn.
void turn_half(const ImageSpan& image) {
  uint8_t* first = image.pixels;
  uint8_t* last = image.pixels + (image.height * image.width - 1) * 3;
  for (; first < last; first += 3, last -= 3) {
    std::swap_ranges(first, first + 3, last);
  }
}

// A quarter turn of a square, counter-clockwise or clockwise.
void turn_quarter(const ImageSpan& image, bool is_clockwise, std::vector<uint8_t>& scratch) {
  const int64_t size = image.width;
  scratch.assign(image.pixels, image.pixels + size * size * 3);
  for (int64_t y = 0; y < size; ++y) {
    for (int64_t x = 0; x < size; ++x) {
      const int64_t from = is_clockwise ? (size - 1 - x) * size + y : x * size + (size - 1 - y);
      std::copy_n(&scratch[static_cast<size_t>(from * 3)], 3, image.pixels + (y * size + x) * 3);
    }
  }
}

}  // namespace

AffineMap shear_x_map(double factor) { return {1, factor, 0, 0, 1, 0}; }

AffineMap shear_y_map(double factor) { return {1, 0, 0, factor, 1, 0}; }

AffineMap translation_map(double dx, double dy) { return {1, 0, dx, 0, 1, dy}; }

void transform_affine(
    const ImageSpan& image,
    const AffineMap& map,
    const AffineSampling& sampling,
    std::vector<uint8_t>& scratch) {
  if (image.height < 1 || image.width < 1) {
    return;
  }
  AffineRows rows = frame(image, scratch);
  rows.map = map;
  rows.fill = sampling.fill;
  switch (sampling.interpolation) {
    case Interpolation::kNearest:
      pick_nearest(rows);
      return;
    case Interpolation::kBilinear:
      affine_rows_bilinear(rows);
      return;
    case Interpolation::kBicubic:
    case Interpolation::kLanczos:  // Pillow has none for transforms
      affine_rows_bicubic(rows);
      return;
    case Interpolation::kRandom:
      break;
  }
  throw std::invalid_argument("transform_affine: draw kRandom's filter first");
}

void rotate(
    const ImageSpan& image,
    double degrees,
    const AffineSampling& sampling,
    std::vector<uint8_t>& scratch) {
  double turn = std::fmod(degrees, 360.0);
  turn += turn < 0 ? 360.0 : 0.0;
  const bool is_square = image.height == image.width;
  if (turn == 0.0) {
    return;
  }
  if (turn == 180.0) {
    turn_half(image);
  } else if (is_square && (turn == 90.0 || turn == 270.0)) {
    turn_quarter(image, turn == 270.0, scratch);
  } else {
    transform_affine(image, rotation_map(turn, image.height, image.width), sampling, scratch);
  }
}

}  // namespace vim::data

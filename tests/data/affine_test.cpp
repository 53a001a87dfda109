// Geometric operations by their effect on single pixels; their bytes on whole images are compared
// in pillow_test.cpp.
#include "src/data/image/affine.h"

#include <cmath>
#include <stdexcept>

#include "src/data/image/blur.h"
#include "tests/support/catch.h"

namespace {

using vim::data::AffineSampling;
using vim::data::Image;
using vim::data::Interpolation;
using Bytes = std::vector<uint8_t>;

constexpr std::array<uint8_t, 3> kFill = {1, 2, 3};

// Red holds column + 10, green row + 10, blue 50.
Image counting_image(int64_t height, int64_t width) {
  Image image{height, width, {}};
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      image.pixels.push_back(static_cast<uint8_t>(x + 10));
      image.pixels.push_back(static_cast<uint8_t>(y + 10));
      image.pixels.push_back(50);
    }
  }
  return image;
}

std::array<uint8_t, 3> pixel(const Image& image, int64_t y, int64_t x) {
  const uint8_t* at = &image.pixels[static_cast<size_t>((y * image.width + x) * 3)];
  return {at[0], at[1], at[2]};
}

Image transformed(Image image, const vim::data::AffineMap& map, Interpolation interpolation) {
  Bytes scratch;
  vim::data::transform_affine(vim::data::span_of(image), map, {interpolation, kFill}, scratch);
  return image;
}

const auto kFilters = {
    Interpolation::kNearest,
    Interpolation::kBilinear,
    Interpolation::kBicubic,
    Interpolation::kLanczos};

}  // namespace

TEST_CASE("a translation by whole pixels moves them and fills the rest") {
  const Image image = counting_image(6, 9);
  for (const Interpolation filter : kFilters) {
    const Image moved = transformed(image, vim::data::translation_map(2, -1), filter);
    for (int64_t y = 0; y < 6; ++y) {
      for (int64_t x = 0; x < 9; ++x) {
        const bool is_covered = x + 2 < 9 && y - 1 >= 0;
        CHECK(pixel(moved, y, x) == (is_covered ? pixel(image, y - 1, x + 2) : kFill));
      }
    }
  }
}

TEST_CASE("a translation out of the image leaves the fill colour alone") {
  const Image image = counting_image(4, 5);
  for (const Interpolation filter : kFilters) {
    const Image moved = transformed(image, vim::data::translation_map(-7, 0), filter);
    for (int64_t i = 0; i < 20; ++i) {
      CHECK(pixel(moved, i / 5, i % 5) == kFill);
    }
  }
}

TEST_CASE("half a pixel to the left mixes neighbours") {
  const Image image{1, 4, {0, 0, 0, 100, 0, 0, 0, 0, 0, 200, 0, 0}};
  // Positions 0, 1, 2 and 3 lie between pixels -1 (a copy of 0) and 0, 0 and 1, and so on.
  const Image linear =
      transformed(image, vim::data::translation_map(-0.5, 0), Interpolation::kBilinear);
  CHECK(linear.pixels == Bytes{0, 0, 0, 50, 0, 0, 50, 0, 0, 100, 0, 0});
  // The weights at one half are -1/8, 5/8, 5/8, -1/8: of (0, 0, 0, 100), (0, 0, 100, 0),
  // (0, 100, 0, 200), (100, 0, 200, 200).
  const Image cubic =
      transformed(image, vim::data::translation_map(-0.5, 0), Interpolation::kBicubic);
  CHECK(cubic.pixels == Bytes{0, 0, 0, 62, 0, 0, 37, 0, 0, 87, 0, 0});
}

TEST_CASE("a shear moves a row by its distance from the top times the factor") {
  const Image image = counting_image(5, 9);
  // Row y is read at x + 2 (y + 0.5): one pixel on for the first row, three for the second.
  const Image sheared = transformed(image, vim::data::shear_x_map(2.0), Interpolation::kBicubic);
  CHECK(pixel(sheared, 0, 0) == pixel(image, 0, 1));
  CHECK(pixel(sheared, 1, 0) == pixel(image, 1, 3));
  CHECK(pixel(sheared, 2, 3) == pixel(image, 2, 8));
  CHECK(pixel(sheared, 2, 4) == kFill);
  const Image down = transformed(image, vim::data::shear_y_map(2.0), Interpolation::kBicubic);
  CHECK(pixel(down, 0, 0) == pixel(image, 1, 0));
  CHECK(pixel(down, 1, 1) == pixel(image, 4, 1));
  CHECK(pixel(down, 2, 1) == kFill);
}

TEST_CASE("rotation is counter-clockwise and exact for right angles") {
  const Image square = counting_image(5, 5);
  Bytes scratch;
  Image image = square;
  vim::data::rotate(vim::data::span_of(image), 90, {}, scratch);
  CHECK(pixel(image, 0, 0) == pixel(square, 0, 4));
  CHECK(pixel(image, 4, 0) == pixel(square, 0, 0));
  vim::data::rotate(vim::data::span_of(image), 270, {}, scratch);
  CHECK(image.pixels == square.pixels);
  Image wide = counting_image(4, 7);
  vim::data::rotate(vim::data::span_of(wide), -180, {}, scratch);
  CHECK(pixel(wide, 0, 0) == pixel(counting_image(4, 7), 3, 6));
  vim::data::rotate(vim::data::span_of(wide), 540, {}, scratch);
  vim::data::rotate(vim::data::span_of(wide), 720, {}, scratch);
  CHECK(wide.pixels == counting_image(4, 7).pixels);
}

TEST_CASE("one colour stays one colour where the source covers the result") {
  Image image{40, 40, Bytes(40 * 40 * 3, 201)};
  Bytes scratch;
  const AffineSampling sampling{Interpolation::kBicubic, kFill};
  vim::data::rotate(vim::data::span_of(image), 17.3, sampling, scratch);
  CHECK(pixel(image, 20, 20) == std::array<uint8_t, 3>{201, 201, 201});
  CHECK(pixel(image, 0, 0) == kFill);
}

TEST_CASE("affine transforms refuse a filter that has not been drawn") {
  CHECK_THROWS_AS(
      transformed(counting_image(3, 3), {1, 0, 0, 0, 1, 0}, Interpolation::kRandom),
      std::invalid_argument);
}

TEST_CASE("a blur keeps one colour, spreads a point evenly and goes on beyond the border") {
  Bytes scratch;
  Image flat{7, 5, Bytes(7 * 5 * 3, 88)};
  vim::data::gaussian_blur(vim::data::span_of(flat), 1.7, scratch);
  CHECK(flat.pixels == Bytes(7 * 5 * 3, 88));
  Image point{9, 9, Bytes(9 * 9 * 3, 0)};
  point.pixels[(4 * 9 + 4) * 3 + 1] = 255;
  vim::data::gaussian_blur(vim::data::span_of(point), 1.0, scratch);
  for (int64_t i = 0; i < 9; ++i) {
    CHECK(pixel(point, 4, i) == pixel(point, 4, 8 - i));
    CHECK(std::abs(pixel(point, 4, i)[1] - pixel(point, i, 4)[1]) <= 1);  // rounded x first
  }
  // A Gaussian of deviation 1 has 1 / (2 pi) of its mass in the middle: 40.6 of 255.
  CHECK(std::abs(pixel(point, 4, 4)[1] - 40) <= 3);
  Image edge{1, 30, Bytes(90, 255)};
  std::fill_n(edge.pixels.begin(), 45, uint8_t{0});
  vim::data::gaussian_blur(vim::data::span_of(edge), 2.0, scratch);
  CHECK(edge.pixels.front() == 0);
  CHECK(edge.pixels.back() == 255);
}

TEST_CASE("a blur of radius zero changes nothing") {
  Image image = counting_image(3, 4);
  Bytes scratch;
  vim::data::gaussian_blur(vim::data::span_of(image), 0.0, scratch);
  CHECK(image.pixels == counting_image(3, 4).pixels);
}

// The geometry of resizing; its bytes are compared with Pillow's in the golden runner (resize).
#include "src/data/image/resize.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "src/data/crop.h"
#include "tests/support/catch.h"

namespace {

using vim::data::Box;
using vim::data::Image;
using vim::data::Interpolation;

Image gradient(int64_t height, int64_t width) {
  Image image{height, width, {}};
  for (int64_t i = 0; i < height * width * 3; ++i) {
    image.pixels.push_back(static_cast<uint8_t>(i * 7919 % 251));
  }
  return image;
}

// A pixel of one axis: Pillow's triangle filter in 22-bit fixed point, its taps `step` apart.
uint8_t filtered(const uint8_t* line, int64_t step, int64_t in, int64_t out, int64_t position) {
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  const double support = std::max(scale, 1.0);
  const double centre = (static_cast<double>(position) + 0.5) * scale;
  const auto begin = std::max<int64_t>(static_cast<int64_t>(centre - support + 0.5), 0);
  const auto end = std::min<int64_t>(static_cast<int64_t>(centre + support + 0.5), in);
  std::vector<double> weights;
  double total = 0;
  for (int64_t i = begin; i < end; ++i) {
    const double distance = (static_cast<double>(i) - centre + 0.5) * (1.0 / support);
    weights.push_back(std::max(1.0 - std::abs(distance), 0.0));
    total += weights.back();
  }
  int64_t sum = 1 << 21;
  for (int64_t i = begin; i < end; ++i) {
    const double weight = weights[static_cast<size_t>(i - begin)] / total;
    sum += static_cast<int64_t>(weight * (1 << 22) + 0.5) * line[i * step];
  }
  return static_cast<uint8_t>(std::clamp<int64_t>(sum >> 22, 0, 255));
}

// Rows first, then columns; an axis that keeps its size is left alone.
std::vector<uint8_t> resize_by_definition(const Image& source, int64_t height, int64_t width) {
  std::vector<uint8_t> narrow;
  for (int64_t i = 0; i < source.height * width * 3; ++i) {
    const uint8_t* const row = source.pixels.data() + i / (width * 3) * source.width * 3;
    const int64_t x = i / 3 % width;
    const uint8_t* const channel = row + i % 3;
    narrow.push_back(
        width == source.width ? channel[x * 3] : filtered(channel, 3, source.width, width, x));
  }
  std::vector<uint8_t> pixels;
  for (int64_t i = 0; i < height * width * 3; ++i) {
    const int64_t y = i / (width * 3);
    const uint8_t* const column = narrow.data() + i % (width * 3);
    pixels.push_back(
        height == source.height ? column[y * width * 3]
                                : filtered(column, width * 3, source.height, height, y));
  }
  return pixels;
}

}  // namespace

TEST_CASE("resize_window gives the pixels that the whole result has there") {
  const Image source = gradient(53, 71);
  const auto [height, width] = GENERATE(
      std::pair<int64_t, int64_t>{20, 33},
      std::pair<int64_t, int64_t>{100, 150},
      std::pair<int64_t, int64_t>{53, 40},
      std::pair<int64_t, int64_t>{90, 71},
      std::pair<int64_t, int64_t>{53, 71});
  const Image whole =
      vim::data::resize(vim::data::view_of(source), Interpolation::kBicubic, height, width);
  const Box window{3, 5, 11, 17};
  std::vector<uint8_t> part(11 * 17 * 3);
  vim::data::resize_window(
      vim::data::view_of(source), Interpolation::kBicubic, {height, width, window}, part.data());
  const auto expected = vim::data::view_of(whole, window);
  for (int64_t row = 0; row < window.height; ++row) {
    const uint8_t* begin = expected.pixels + row * expected.row_stride;
    CHECK(std::equal(begin, begin + 17 * 3, part.begin() + row * 17 * 3));
  }
}

TEST_CASE("a mirrored window holds the same pixels from right to left") {
  const Image source = gradient(23, 31);
  const Interpolation method = GENERATE(Interpolation::kNearest, Interpolation::kBicubic);
  const auto view = vim::data::view_of(source);
  const Box window{1, 2, 9, 13};
  Image plain{9, 13, std::vector<uint8_t>(9 * 13 * 3)};
  std::vector<uint8_t> mirrored(9 * 13 * 3);
  vim::data::resize_window(view, method, {20, 17, window}, plain.pixels.data());
  vim::data::resize_window(view, method, {20, 17, window, true}, mirrored.data());
  CHECK(mirrored != plain.pixels);
  vim::data::mirror(vim::data::span_of(plain));
  CHECK(mirrored == plain.pixels);
}

TEST_CASE("resize follows its definition, value by value") {
  // Shapes around the multiples of rows, pixels and lines that the inner loops take.
  const auto [height, width] = GENERATE(
      std::pair<int64_t, int64_t>{1, 1},
      std::pair<int64_t, int64_t>{15, 5},
      std::pair<int64_t, int64_t>{33, 64},
      std::pair<int64_t, int64_t>{70, 3});
  const auto [new_height, new_width] = GENERATE(
      std::pair<int64_t, int64_t>{1, 1},
      std::pair<int64_t, int64_t>{16, 7},
      std::pair<int64_t, int64_t>{35, 90});
  const Image source = gradient(height, width);
  CHECK(
      vim::data::resize(vim::data::view_of(source), Interpolation::kBilinear, new_height, new_width)
          .pixels == resize_by_definition(source, new_height, new_width));
}

TEST_CASE("resize of a view equals resize of the copied part") {
  const Image source = gradient(30, 40);
  const Box box{4, 7, 19, 23};
  Image copy{box.height, box.width, {}};
  const auto view = vim::data::view_of(source, box);
  for (int64_t row = 0; row < box.height; ++row) {
    const uint8_t* begin = view.pixels + row * view.row_stride;
    copy.pixels.insert(copy.pixels.end(), begin, begin + box.width * 3);
  }
  CHECK(
      vim::data::resize(view, Interpolation::kBicubic, 16, 16).pixels ==
      vim::data::resize(vim::data::view_of(copy), Interpolation::kBicubic, 16, 16).pixels);
}

TEST_CASE("resize keeps one colour whatever the size") {
  const int64_t height = GENERATE(1, 2, 37);
  const int64_t width = GENERATE(1, 3, 500);
  const Interpolation method = GENERATE(Interpolation::kBilinear, Interpolation::kBicubic);
  const Image source{height, width, std::vector<uint8_t>(height * width * 3, 201)};
  const Image result = vim::data::resize(vim::data::view_of(source), method, 5, 64);
  CHECK(result.pixels == std::vector<uint8_t>(5 * 64 * 3, 201));
}

TEST_CASE("resize refuses empty sizes and windows outside the result") {
  const Image source = gradient(4, 4);
  const auto view = vim::data::view_of(source);
  std::vector<uint8_t> out(4 * 4 * 3);
  CHECK_THROWS_AS(vim::data::resize(view, Interpolation::kBicubic, 0, 4), std::invalid_argument);
  CHECK_THROWS_AS(
      vim::data::resize_window(view, Interpolation::kBicubic, {4, 4, {1, 0, 4, 4}}, out.data()),
      std::invalid_argument);
  CHECK_THROWS_AS(vim::data::view_of(source, {0, 2, 4, 3}), std::invalid_argument);
}

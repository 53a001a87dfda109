// The geometry of resizing; its bytes are compared with Pillow's in the golden runner (resize).
#include "src/data/image/resize.h"

#include <algorithm>
#include <stdexcept>

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

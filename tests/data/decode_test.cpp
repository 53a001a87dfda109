// JPEG decoding, colour models and damaged files. Files are made by libjpeg's compressor.
#include "src/data/image/decode.h"

#include <algorithm>
#include <cstdlib>
#include <random>

#include "tests/data/jpeg_writer.h"
#include "tests/support/catch.h"

namespace {

using vim::data::BadImage;
using vim::data::decode_image;
using vim::data::Image;
using vim::test::JpegKind;
using vim::test::JpegRecipe;

JpegRecipe recipe_of(JpegKind kind, int height = 16, int width = 24) {
  JpegRecipe recipe;
  recipe.kind = kind;
  recipe.height = height;
  recipe.width = width;
  return recipe;
}

// The largest difference of any pixel from one colour.
int distance_from(const Image& image, const std::vector<int>& colour) {
  int largest = 0;
  for (size_t i = 0; i < image.pixels.size(); ++i) {
    largest = std::max(largest, std::abs(image.pixels[i] - colour[i % 3]));
  }
  return largest;
}

}  // namespace

TEST_CASE("A JPEG of one colour decodes to it") {
  JpegRecipe recipe = recipe_of(JpegKind::kRgb);
  recipe.is_progressive = GENERATE(false, true);
  const Image image = decode_image(vim::test::write_plain_jpeg(recipe, {200, 100, 50}));
  CHECK(image.height == 16);
  CHECK(image.width == 24);
  REQUIRE(image.pixels.size() == 16 * 24 * 3);
  // The conversion to YCbCr and back rounds twice.
  CHECK(distance_from(image, {200, 100, 50}) <= 1);
}

TEST_CASE("A JPEG keeps rows and columns in place") {
  const Image image = decode_image(vim::test::write_some_jpeg(40, 60, 3));
  for (const auto& [y, x] : {std::pair{0, 0}, {0, 59}, {39, 0}, {20, 31}}) {
    const uint8_t* pixel = &image.pixels[static_cast<size_t>(y * 60 + x) * 3];
    // Quality 100 quantises by 1, so a level or two are lost.
    CHECK(std::abs(pixel[0] - 255 * x / 60) <= 4);
    CHECK(std::abs(pixel[1] - 255 * y / 40) <= 4);
    CHECK(std::abs(pixel[2] - 111) <= 4);
  }
}

TEST_CASE("A greyscale JPEG becomes equal red, green and blue") {
  const Image image = decode_image(vim::test::write_plain_jpeg(recipe_of(JpegKind::kGrey), {77}));
  CHECK(distance_from(image, {77, 77, 77}) == 0);
}

TEST_CASE("A CMYK JPEG is read as Adobe's inverted inks") {
  const JpegKind kind = GENERATE(JpegKind::kAdobeCmyk, JpegKind::kAdobeYcck);
  // Stored value: light that the ink leaves; a colour is that light times the light black leaves.
  const Image red = decode_image(vim::test::write_plain_jpeg(recipe_of(kind), {255, 0, 0, 255}));
  CHECK(distance_from(red, {255, 0, 0}) <= 1);
  const Image dim =
      decode_image(vim::test::write_plain_jpeg(recipe_of(kind), {200, 150, 100, 128}));
  CHECK(distance_from(dim, {100, 75, 50}) <= 1);
}

TEST_CASE("EXIF orientation is ignored") {
  JpegRecipe recipe = recipe_of(JpegKind::kRgb);
  recipe.orientation = 6;
  const Image image = decode_image(vim::test::write_plain_jpeg(recipe, {9, 9, 9}));
  CHECK(image.height == 16);
  CHECK(image.width == 24);
}

TEST_CASE("A JPEG cut off anywhere is bad") {
  JpegRecipe recipe = recipe_of(JpegKind::kRgb, 64, 64);
  recipe.is_progressive = GENERATE(false, true);
  std::vector<uint8_t> pixels(64 * 64 * 3);
  std::mt19937 generator(5);
  std::generate(
      pixels.begin(), pixels.end(), [&] { return static_cast<uint8_t>(generator() % 256); });
  const std::vector<uint8_t> bytes = vim::test::write_jpeg(recipe, pixels);
  for (size_t length = 1; length < bytes.size(); length += length < 700 ? 1 : 97) {
    INFO("first " << length << " of " << bytes.size() << " bytes");
    CHECK_THROWS_AS(decode_image({bytes.data(), length}), BadImage);
  }
  CHECK_THROWS_AS(decode_image({bytes.data(), bytes.size() - 1}), BadImage);
  CHECK_NOTHROW(decode_image(bytes));
}

TEST_CASE("Empty and random bytes are bad") {
  CHECK_THROWS_AS(decode_image({}), BadImage);
  std::mt19937 generator(7);
  for (int i = 0; i < 200; ++i) {
    std::vector<uint8_t> bytes(1 + generator() % 2000);
    std::generate(
        bytes.begin(), bytes.end(), [&] { return static_cast<uint8_t>(generator() % 256); });
    if (i % 2 == 0 && bytes.size() >= 3) {
      std::copy_n(std::vector<uint8_t>{0xFF, 0xD8, 0xFF}.begin(), 3, bytes.begin());
    }
    CHECK_THROWS_AS(decode_image(bytes), BadImage);
  }
}

TEST_CASE("A JPEG with a flipped byte is either decoded whole or bad") {
  const std::vector<uint8_t> original = vim::test::write_some_jpeg(24, 24, 2);
  for (size_t i = 2; i < original.size(); ++i) {
    std::vector<uint8_t> bytes = original;
    bytes[i] ^= 0x55;
    try {
      const Image image = decode_image(bytes);
      CHECK(image.pixels.size() == static_cast<size_t>(image.height * image.width * 3));
    } catch (const BadImage& bad) {
      CHECK(bad.what() != std::string());
    }
  }
}

TEST_CASE("A JPEG that claims too many pixels is bad before they are allocated") {
  std::vector<uint8_t> bytes = vim::test::write_some_jpeg(24, 24, 2);
  const std::vector<uint8_t> start_of_frame = {0xFF, 0xC0};
  auto at = std::search(bytes.begin(), bytes.end(), start_of_frame.begin(), start_of_frame.end());
  REQUIRE(at != bytes.end());
  std::fill(at + 5, at + 9, uint8_t{0xFF});
  CHECK_THROWS_AS(decode_image(bytes), BadImage);
}

TEST_CASE("Pictures of one pixel and of one row decode") {
  const auto [height, width] = GENERATE(std::pair{1, 1}, std::pair{1, 5000}, std::pair{3000, 1});
  const Image image = decode_image(
      vim::test::write_plain_jpeg(recipe_of(JpegKind::kRgb, height, width), {10, 20, 30}));
  CHECK(image.height == height);
  CHECK(image.width == width);
  CHECK(distance_from(image, {10, 20, 30}) <= 1);
}

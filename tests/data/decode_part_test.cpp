// Parts of pictures: equal to the same pixels of the whole, bad where the whole is bad, scaled only
// where that was asked for.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <random>
#include <stdexcept>
#include <tuple>

#include "src/data/image/decode.h"
#include "src/data/image/jpeg_decoder.h"
#include "tests/data/jpeg_writer.h"
#include "tests/support/catch.h"

namespace vim::data {
namespace {

using test::JpegKind;
using test::JpegRecipe;

// Smooth shapes with noise, so that chroma differs from column to column.
std::vector<uint8_t> busy_pixels(const JpegRecipe& recipe) {
  std::mt19937 generator(static_cast<unsigned>(recipe.height * 1000 + recipe.width));
  std::vector<uint8_t> pixels;
  for (int y = 0; y < recipe.height; ++y) {
    for (int x = 0; x < recipe.width; ++x) {
      for (int c = 0; c < test::num_channels(recipe.kind); ++c) {
        const int wave = (x * (c + 2) + y * (3 - c)) % 256;
        pixels.push_back(static_cast<uint8_t>((wave + static_cast<int>(generator() % 64)) % 256));
      }
    }
  }
  return pixels;
}

std::vector<uint8_t> write_busy(const JpegRecipe& recipe) {
  return test::write_jpeg(recipe, busy_pixels(recipe));
}

// The pixels of a box, rows without padding.
std::vector<uint8_t> pixels_of(const ImageView& view) {
  std::vector<uint8_t> pixels;
  for (int64_t y = 0; y < view.height; ++y) {
    const uint8_t* const row = view.pixels + y * view.row_stride;
    pixels.insert(pixels.end(), row, row + view.width * 3);
  }
  return pixels;
}

// Boxes at the borders, of one pixel, and anywhere.
std::vector<Box> boxes_in(const Size& size) {
  const int64_t h = size.height;
  const int64_t w = size.width;
  std::vector<Box> boxes = {
      {0, 0, h, w}, {0, 0, 1, 1}, {h - 1, w - 1, 1, 1}, {0, w - 1, h, 1}, {h - 1, 0, 1, w}};
  std::mt19937 generator(3);
  const auto below = [&](int64_t n) { return static_cast<int64_t>(generator() % n); };
  for (int i = 0; i < 60; ++i) {
    Box box{0, 0, 1 + below(h), 1 + below(w)};
    box.top = below(h - box.height + 1);
    box.left = below(w - box.width + 1);
    boxes.push_back(box);
  }
  return boxes;
}

void check_parts(const std::vector<uint8_t>& bytes) {
  const Image whole = decode_image(bytes);
  ImageDecoder decoder;
  for (const Box& box : boxes_in({whole.height, whole.width})) {
    INFO(box.height << "x" << box.width << " at " << box.top << ", " << box.left);
    REQUIRE(decoder.open(bytes) == Size{whole.height, whole.width});
    const ImagePart part = decoder.decode({box, {8, 8}});
    CHECK(part.stored == Size{whole.height, whole.width});
    CHECK(pixels_of(view_of(part, box)) == pixels_of(view_of(whole, box)));
  }
}

// The pixels; none if the file is bad.
std::vector<uint8_t> decode_whole(const std::vector<uint8_t>& bytes, EntropyDecoder entropy) {
  JpegDecoder decoder(entropy);
  std::vector<uint8_t> pixels;
  try {
    const Size size = decoder.open(bytes);
    if (size.height * size.width < 100'000) {
      decoder.decode({{0, 0, size.height, size.width}}, DecodeMode::kExact, pixels);
    }
  } catch (const BadImage&) {
    pixels.clear();
  }
  return pixels;
}

}  // namespace

TEST_CASE("A part of a JPEG has the pixels of the whole, for every kind of sampling") {
  const auto [h_samp, v_samp] =
      GENERATE(std::pair{1, 1}, std::pair{2, 1}, std::pair{1, 2}, std::pair{2, 2}, std::pair{4, 1});
  const auto [is_progressive, restart_interval] =
      GENERATE(std::pair{false, 0}, std::pair{true, 0}, std::pair{false, 3});
  const auto [height, width] = GENERATE(std::pair{70, 101}, std::pair{33, 16}, std::pair{9, 130});
  JpegRecipe recipe;
  std::tie(recipe.height, recipe.width) = std::pair{height, width};
  std::tie(recipe.h_samp, recipe.v_samp) = std::pair{h_samp, v_samp};
  recipe.is_progressive = is_progressive;
  recipe.restart_interval = restart_interval;
  recipe.quality = 90;
  check_parts(write_busy(recipe));
}

TEST_CASE("A part of a JPEG has the pixels of the whole, for every colour model") {
  JpegRecipe recipe;
  recipe.kind = GENERATE(JpegKind::kGrey, JpegKind::kAdobeCmyk, JpegKind::kAdobeYcck);
  recipe.is_one_scan = GENERATE(true, false);
  recipe.height = 45;
  recipe.width = 77;
  check_parts(write_busy(recipe));
}

TEST_CASE("A JPEG that is cut off is bad whichever part is asked for") {
  JpegRecipe recipe;
  recipe.height = 64;
  recipe.width = 64;
  recipe.is_progressive = GENERATE(false, true);
  recipe.is_one_scan = GENERATE(false, true);
  const std::vector<uint8_t> bytes = write_busy(recipe);
  ImageDecoder decoder;
  for (size_t length = 1; length < bytes.size(); length += length < 700 ? 1 : 53) {
    INFO("first " << length << " of " << bytes.size() << " bytes");
    const std::span<const uint8_t> cut(bytes.data(), length);
    CHECK_THROWS_AS((decoder.open(cut), decoder.decode({{0, 0, 1, 1}})), BadImage);
  }
  decoder.open(bytes);
  CHECK_NOTHROW(decoder.decode({{0, 0, 1, 1}}));
}

TEST_CASE("Both entropy decoders agree on sound and on damaged files") {
  JpegRecipe recipe;
  recipe.height = 60;
  recipe.width = 90;
  recipe.h_samp = GENERATE(1, 2);
  recipe.quality = GENERATE(30, 75, 95, 100);
  const std::vector<uint8_t> original = write_busy(recipe);
  std::mt19937 generator(11);
  int num_good = 0;
  for (int i = 0; i < 300; ++i) {
    std::vector<uint8_t> bytes = original;
    for (int change = 0; change < i % 4; ++change) {
      bytes[2 + generator() % (bytes.size() - 2)] = static_cast<uint8_t>(generator() % 256);
    }
    const auto own = decode_whole(bytes, EntropyDecoder::kOwn);
    CHECK(own == decode_whole(bytes, EntropyDecoder::kLibrary));
    num_good += own.empty() ? 0 : 1;
  }
  CHECK(num_good > 100);  // few changes make a file unreadable
}

TEST_CASE("A decoder goes on after a bad file") {
  const std::vector<uint8_t> good = test::write_some_jpeg(20, 30, 1);
  std::vector<uint8_t> bad(good.begin(), good.begin() + 200);
  ImageDecoder decoder;
  CHECK_THROWS_AS((decoder.open(bad), decoder.decode({{0, 0, 1, 1}})), BadImage);
  CHECK_THROWS_AS(decoder.open({}), BadImage);
  decoder.open(good);
  const ImagePart part = decoder.decode({{0, 0, 20, 30}});
  CHECK(pixels_of(view_of(part, {0, 0, 20, 30})) == decode_image(good).pixels);
}

TEST_CASE("A box outside the picture is refused") {
  const std::vector<uint8_t> bytes = test::write_some_jpeg(20, 30, 1);
  const Box box = GENERATE(Box{0, 0, 21, 1}, Box{0, 30, 1, 1}, Box{-1, 0, 2, 2}, Box{0, 0, 0, 1});
  ImageDecoder decoder;
  decoder.open(bytes);
  CHECK_THROWS_AS(decoder.decode({box}), std::invalid_argument);
}

TEST_CASE("Fast decoding scales by the power of two that leaves the box its target") {
  const std::vector<uint8_t> bytes = test::write_some_jpeg(160, 200, 2);
  const auto [target, scale] = GENERATE(
      std::pair{Size{64, 64}, 1},
      std::pair{Size{40, 50}, 2},
      std::pair{Size{20, 30}, 4},
      std::pair{Size{5, 7}, 8},
      std::pair{Size{}, 1});
  ImageDecoder decoder({DecodeMode::kFast});
  CHECK(decoder.open(bytes) == Size{160, 200});
  const ImagePart part = decoder.decode({{40, 64, 80, 120}, target});
  CHECK(part.original == Size{160, 200});
  CHECK(part.stored == Size{160 / scale, 200 / scale});
  const Box box = to_stored(part, {40, 64, 80, 120});
  CHECK(box == Box{40 / scale, 64 / scale, 80 / scale, 120 / scale});
  // The picture is a ramp: 255 x / width in red, 255 y / height in green.
  const ImageView view = view_of(part, box);
  CHECK(std::abs(view.pixels[0] - 255 * (64 + scale / 2) / 200) <= 3);
  CHECK(std::abs(view.pixels[1] - 255 * (40 + scale / 2) / 160) <= 3);
}

TEST_CASE("With exif_rotate a picture stands upright, as the orientation says") {
  // Red in the corner that is to be at the top left: for each orientation, where it is stored.
  constexpr std::array<std::array<int, 2>, 8> kCorners = {
      {{0, 0}, {0, 1}, {1, 1}, {1, 0}, {0, 0}, {1, 0}, {1, 1}, {0, 1}}};
  const int orientation = GENERATE(range(1, 9));
  JpegRecipe recipe;
  recipe.height = 16;
  recipe.width = 32;
  recipe.orientation = orientation;
  std::vector<uint8_t> pixels(16 * 32 * 3, 0);
  const auto [bottom, right] = kCorners[static_cast<size_t>(orientation - 1)];
  for (int y = 0; y < 8; ++y) {
    for (int x = 0; x < 8; ++x) {
      pixels[static_cast<size_t>(((y + bottom * 8) * 32 + x + right * 24) * 3)] = 255;
    }
  }
  const std::vector<uint8_t> bytes = test::write_jpeg(recipe, pixels);
  ImageDecoder decoder({DecodeMode::kExact, true});
  const Size size = decoder.open(bytes);
  CHECK(size == (orientation < 5 ? Size{16, 32} : Size{32, 16}));
  const ImagePart part = decoder.decode({{0, 0, size.height, size.width}});
  CHECK(pixels_of(view_of(part, {3, 3, 1, 1}))[0] > 200);
  CHECK(pixels_of(view_of(part, {12, 3, 1, 1}))[0] < 50);
  CHECK(pixels_of(view_of(part, {3, 12, 1, 1}))[0] < 50);
  CHECK(pixels_of(view_of(part, {size.height - 3, size.width - 3, 1, 1}))[0] < 50);
}

}  // namespace vim::data

// Operations on single values, with results worked out by hand.
#include "src/data/image/color_ops.h"

#include <algorithm>

#include "src/data/image/enhance.h"
#include "tests/support/catch.h"

namespace {

using vim::data::Image;
using Bytes = std::vector<uint8_t>;

// One row of pixels whose channels are equal.
Image grey_row(const Bytes& values) {
  Image image{1, static_cast<int64_t>(values.size()), {}};
  for (const uint8_t value : values) {
    image.pixels.insert(image.pixels.end(), 3, value);
  }
  return image;
}

template <typename F>
Bytes apply_to_grey(const Bytes& values, F op) {
  Image image = grey_row(values);
  op(vim::data::span_of(image));
  Bytes red;
  for (size_t i = 0; i < image.pixels.size(); i += 3) {
    CHECK(image.pixels[i] == image.pixels[i + 1]);
    CHECK(image.pixels[i] == image.pixels[i + 2]);
    red.push_back(image.pixels[i]);
  }
  return red;
}

}  // namespace

TEST_CASE("autocontrast stretches each channel to the full range, rounding down") {
  // 255 / (60 - 10) = 5.1; (11 - 10) * 5.1 = 5.1, (35 - 10) * 5.1 = 127.5.
  CHECK(apply_to_grey({10, 11, 35, 60}, vim::data::autocontrast) == Bytes{0, 5, 127, 255});
  Image image{1, 2, {0, 10, 5, 255, 20, 5}};
  vim::data::autocontrast(vim::data::span_of(image));
  CHECK(image.pixels == Bytes{0, 0, 5, 255, 255, 5});  // a channel of one value stays
}

TEST_CASE("equalize maps a value to its share of the pixels below it") {
  // 256 pixels of value 3, 254 of value 9, 10 of value 200: step = (520 - 10) / 255 = 2, so 3
  // becomes 1 / 2 = 0, 9 becomes 257 / 2 = 128, 200 becomes 511 / 2 = 255.
  Bytes values(520, 3);
  std::fill(values.begin() + 256, values.end(), uint8_t{9});
  std::fill(values.begin() + 510, values.end(), uint8_t{200});
  Bytes expected(520, 0);
  std::fill(expected.begin() + 256, expected.end(), uint8_t{128});
  std::fill(expected.begin() + 510, expected.end(), uint8_t{255});
  CHECK(apply_to_grey(values, vim::data::equalize) == expected);
}

TEST_CASE("equalize leaves images of few pixels or one value alone") {
  const Bytes few = {1, 2, 3, 250};
  CHECK(apply_to_grey(few, vim::data::equalize) == few);
  CHECK(apply_to_grey(Bytes(1000, 77), vim::data::equalize) == Bytes(1000, 77));
}

TEST_CASE("invert, posterize, solarize and solarize_add map single values") {
  const Bytes values = {0, 1, 127, 128, 200, 255};
  const auto with = [&](auto op, auto... arguments) {
    return apply_to_grey(values, [&](const auto& image) { op(image, arguments...); });
  };
  CHECK(with(vim::data::invert) == Bytes{255, 254, 128, 127, 55, 0});
  CHECK(with(vim::data::posterize, 1) == Bytes{0, 0, 0, 128, 128, 128});
  CHECK(with(vim::data::posterize, 0) == Bytes(6, 0));
  CHECK(with(vim::data::posterize, 8) == values);
  CHECK(with(vim::data::solarize, 128) == Bytes{0, 1, 127, 127, 55, 0});
  CHECK(with(vim::data::solarize, 256) == values);
  CHECK(with(vim::data::solarize, 0) == Bytes{255, 254, 128, 127, 55, 0});
  CHECK(with(vim::data::solarize_add, 99, 128) == Bytes{99, 100, 226, 128, 200, 255});
  CHECK(with(vim::data::solarize_add, 200, 128) == Bytes{200, 201, 255, 128, 200, 255});
}

TEST_CASE("greyscale takes the luma of red, green and blue") {
  // 255 * 19595 / 65536 = 76.2; 255 * 38470 / 65536 = 149.7; 255 * 7471 / 65536 = 29.07.
  Image image{1, 4, {255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255}};
  vim::data::greyscale(vim::data::span_of(image));
  CHECK(image.pixels == Bytes{76, 76, 76, 150, 150, 150, 29, 29, 29, 255, 255, 255});
}

TEST_CASE("brightness, contrast and saturation blend, cut to the range and round down") {
  Image bright{1, 1, {10, 101, 200}};
  vim::data::adjust_brightness(vim::data::span_of(bright), 1.5);
  CHECK(bright.pixels == Bytes{15, 151, 255});
  // Mean of 40 and 101, rounded: 71. 71 + 0.5 * (40 - 71) = 55.5.
  CHECK(apply_to_grey({40, 101}, [](const auto& image) {
          vim::data::adjust_contrast(image, 0.5);
        }) == Bytes{55, 86});
  // Luma of (255, 0, 0) is 76: 76 + 2 * (255 - 76), 76 + 2 * (0 - 76).
  Image red{1, 1, {255, 0, 0}};
  vim::data::adjust_saturation(vim::data::span_of(red), 2.0);
  CHECK(red.pixels == Bytes{255, 0, 0});
  vim::data::adjust_saturation(vim::data::span_of(red), 0.5);
  CHECK(red.pixels == Bytes{165, 38, 38});
}

TEST_CASE("a factor of one changes nothing and zero gives the other image") {
  Bytes pixels;
  for (int i = 0; i < 5 * 7 * 3; ++i) {
    pixels.push_back(static_cast<uint8_t>(i * 97 % 256));
  }
  Bytes scratch;
  const Image original{5, 7, pixels};
  Image image = original;
  vim::data::adjust_brightness(vim::data::span_of(image), 1.0);
  vim::data::adjust_contrast(vim::data::span_of(image), 1.0);
  vim::data::adjust_saturation(vim::data::span_of(image), 1.0);
  vim::data::adjust_sharpness(vim::data::span_of(image), 1.0, scratch);
  CHECK(image.pixels == original.pixels);
  Image grey = original;
  vim::data::greyscale(vim::data::span_of(grey));
  vim::data::adjust_saturation(vim::data::span_of(image), 0.0);
  CHECK(image.pixels == grey.pixels);
  vim::data::adjust_brightness(vim::data::span_of(image), 0.0);
  CHECK(image.pixels == Bytes(pixels.size(), 0));
}

TEST_CASE("sharpness works on the inner pixels, from their neighbours") {
  // A single 130 among zeros: the smooth value is 5 / 13 of it = 50 in the middle.
  Image image{3, 3, Bytes(27, 0)};
  image.pixels[4 * 3] = 130;
  Bytes scratch;
  vim::data::adjust_sharpness(vim::data::span_of(image), 0.5, scratch);
  Bytes expected(27, 0);
  expected[4 * 3] = 90;
  CHECK(image.pixels == expected);
  Image narrow{2, 5, Bytes(30, 9)};
  vim::data::adjust_sharpness(vim::data::span_of(narrow), 1.9, scratch);
  CHECK(narrow.pixels == Bytes(30, 9));
}

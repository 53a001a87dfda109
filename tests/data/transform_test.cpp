// Geometry of crops and flips. The images count their pixels, so a result tells where it comes
// from.
#include "src/data/transform.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <stdexcept>

#include "src/data/crop.h"
#include "src/data/image/image_op.h"
#include "src/data/image/resize.h"
#include "src/data/rand_augment.h"
#include "tests/support/catch.h"

namespace {

using vim::core::Random;
using vim::core::RandomKey;
using vim::data::AugmentOptions;
using vim::data::Box;
using vim::data::EvalTransform;
using vim::data::Image;
using vim::data::TrainCrop;
using vim::data::TrainTransform;
using vim::data::Transform;

// Red holds the column + 1, green the row + 1, blue is 200: no pixel is black.
Image counting_image(int64_t height, int64_t width) {
  Image image{height, width, {}};
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      image.pixels.push_back(static_cast<uint8_t>(x + 1));
      image.pixels.push_back(static_cast<uint8_t>(y + 1));
      image.pixels.push_back(200);
    }
  }
  return image;
}

RandomKey key_at(uint64_t position) {
  RandomKey key;
  key.seed = 42;
  key.period = 3;
  key.position = position;
  return key;
}

Image run(const Transform& transform, const Image& image, uint64_t position = 0) {
  Image out{transform.height(), transform.width(), {}};
  out.pixels.resize(static_cast<size_t>(out.height * out.width * 3), 123);
  apply(transform, view_of(image), key_at(position), out.pixels.data());
  return out;
}

AugmentOptions options_of(TrainCrop crop, double hflip_prob) {
  AugmentOptions options;
  options.crop = crop;
  options.hflip_prob = hflip_prob;
  return options;
}

// The pixel (red, green, blue) of an output.
std::array<int, 3> pixel(const Image& image, int64_t y, int64_t x) {
  const uint8_t* at = &image.pixels[static_cast<size_t>((y * image.width + x) * 3)];
  return {at[0], at[1], at[2]};
}

}  // namespace

TEST_CASE("Random resized crops stay inside and within the asked area and ratio") {
  AugmentOptions options;
  options.crop_scale = {0.2, 0.6};
  double area_sum = 0;
  constexpr int kDraws = 4000;
  for (int i = 0; i < kDraws; ++i) {
    Random random(key_at(static_cast<uint64_t>(i)));
    const Box box = vim::data::random_resized_crop_box(400, 500, options, random);
    REQUIRE(box.top >= 0);
    REQUIRE(box.left >= 0);
    REQUIRE(box.top + box.height <= 400);
    REQUIRE(box.left + box.width <= 500);
    const double area = static_cast<double>(box.height * box.width) / (400.0 * 500.0);
    const double ratio = static_cast<double>(box.width) / static_cast<double>(box.height);
    // Sides are rounded to whole pixels, of which there are more than 170.
    REQUIRE(area > 0.2 * 0.99);
    REQUIRE(area < 0.6 * 1.01);
    REQUIRE(ratio > 0.75 * 0.99);
    REQUIRE(ratio < 4.0 / 3 * 1.01);
    area_sum += area;
  }
  // Uniform in [0.2, 0.6]: mean 0.4, standard error 0.1155 / sqrt(4000) = 0.0018; five of them.
  CHECK(std::abs(area_sum / kDraws - 0.4) < 0.009);
}

TEST_CASE("Random resized crop falls back to the centre of an image too long for its ratios") {
  Random random(key_at(0));
  AugmentOptions options;
  options.crop_scale = {1.0, 1.0};
  CHECK(vim::data::random_resized_crop_box(30, 300, options, random) == Box{0, 130, 30, 40});
  CHECK(vim::data::random_resized_crop_box(300, 30, options, random) == Box{130, 0, 40, 30});
}

TEST_CASE("Random resized crop is never empty, however small or long the image") {
  const auto [height, width] = GENERATE(
      std::pair<int64_t, int64_t>{1, 1},
      std::pair<int64_t, int64_t>{1, 3000},
      std::pair<int64_t, int64_t>{3000, 1},
      std::pair<int64_t, int64_t>{2, 2});
  const Image image{
      height, width, std::vector<uint8_t>(static_cast<size_t>(height * width * 3), 90)};
  const TrainTransform transform(options_of(TrainCrop::kRandomResized, 0.5), 8, 12);
  for (uint64_t position = 0; position < 50; ++position) {
    const Image out = run(transform, image, position);
    REQUIRE(out.pixels == std::vector<uint8_t>(8 * 12 * 3, 90));
  }
}

TEST_CASE("Train transform resizes exactly the box that its key draws") {
  const AugmentOptions options = options_of(TrainCrop::kRandomResized, 0.0);
  const Image image = counting_image(90, 120);
  const TrainTransform transform(options, 32, 48);
  RandomKey key = key_at(7);
  key.stream = vim::core::RandomStream::kCrop;
  Random random(key);
  const Box box = vim::data::random_resized_crop_box(90, 120, options, random);
  const Image expected =
      vim::data::resize(vim::data::view_of(image, box), options.interpolation, 32, 48);
  CHECK(run(transform, image, 7).pixels == expected.pixels);
}

TEST_CASE("Train transform depends on the key alone and changes with it") {
  const TrainTransform transform(options_of(TrainCrop::kRandomResized, 0.5), 24, 24);
  const Image image = counting_image(60, 60);
  CHECK(run(transform, image, 1).pixels == run(transform, image, 1).pixels);
  CHECK(run(transform, image, 1).pixels != run(transform, image, 2).pixels);
}

TEST_CASE("Horizontal flip mirrors columns and nothing else, as often as asked") {
  const Image image = counting_image(9, 7);
  const TrainTransform always(options_of(TrainCrop::kCenter, 1.0), 9, 7);
  const Image mirrored = run(always, image);
  for (int64_t y = 0; y < 9; ++y) {
    for (int64_t x = 0; x < 7; ++x) {
      CHECK(pixel(mirrored, y, x) == pixel(image, y, 6 - x));
    }
  }
  const TrainTransform half(options_of(TrainCrop::kCenter, 0.5), 9, 7);
  int num_flips = 0;
  for (uint64_t position = 0; position < 1000; ++position) {
    num_flips += run(half, image, position).pixels == mirrored.pixels ? 1 : 0;
  }
  // Binomial(1000, 1/2) has a standard deviation of 15.8; five of them.
  CHECK(std::abs(num_flips - 500) < 80);
}

TEST_CASE("Padded crop shifts by up to the padding and fills with zeros") {
  const Image image = counting_image(16, 16);
  const TrainTransform transform(options_of(TrainCrop::kPadded, 0.0), 16, 16);
  std::set<std::pair<int, int>> shifts;
  for (uint64_t position = 0; position < 2000; ++position) {
    const Image out = run(transform, image, position);
    const auto middle = pixel(out, 8, 8);
    const int dx = middle[0] - 9;
    const int dy = middle[1] - 9;
    shifts.insert({dx, dy});
    for (int64_t y = 0; y < 16; ++y) {
      for (int64_t x = 0; x < 16; ++x) {
        const bool inside = x + dx >= 0 && x + dx < 16 && y + dy >= 0 && y + dy < 16;
        REQUIRE(
            pixel(out, y, x) ==
            (inside ? pixel(image, y + dy, x + dx) : std::array<int, 3>{0, 0, 0}));
      }
    }
  }
  CHECK(shifts.size() == 81);
  CHECK(shifts.begin()->first == -4);
  CHECK(shifts.rbegin()->first == 4);
}

TEST_CASE("Padded crop survives a padding larger than the image") {
  AugmentOptions options = options_of(TrainCrop::kPadded, 0.0);
  options.crop_padding = 20;
  const TrainTransform transform(options, 4, 6);
  const Image image = counting_image(4, 6);
  for (uint64_t position = 0; position < 300; ++position) {
    CHECK_NOTHROW(run(transform, image, position));
  }
}

TEST_CASE("Padded crop first resizes an image of another size") {
  AugmentOptions options = options_of(TrainCrop::kPadded, 0.0);
  options.crop_padding = 0;
  const Image image = counting_image(40, 50);
  const TrainTransform transform(options, 32, 32);
  const Image expected =
      vim::data::resize(vim::data::view_of(image), options.interpolation, 32, 32);
  CHECK(run(transform, image).pixels == expected.pixels);
}

TEST_CASE("Evaluation covers size / ratio and crops the centre with offsets rounded to even") {
  // Shorter side 256, longer side int(256 * 173 / 91) = 486; offsets 16 and 131 (= 262 / 2).
  const Image image = counting_image(91, 173);
  const EvalTransform transform(AugmentOptions{}, 224, 224);
  const Image whole =
      vim::data::resize(vim::data::view_of(image), vim::data::Interpolation::kBicubic, 256, 486);
  const Image out = run(transform, image);
  for (int64_t row = 0; row < 224; row += 31) {
    for (int64_t column = 0; column < 224; column += 17) {
      CHECK(pixel(out, row, column) == pixel(whole, row + 16, column + 131));
    }
  }
}

TEST_CASE("Evaluation rounds a crop offset of one half down to the even zero") {
  // Target 64 of int(64 / 0.98) = 65: the offset is 0.5.
  AugmentOptions options;
  options.eval_crop_ratio = 0.98;
  const Image image = counting_image(65, 65);
  const Image out = run(EvalTransform(options, 64, 64), image);
  CHECK(pixel(out, 0, 0) == pixel(image, 0, 0));
}

TEST_CASE("Evaluation leaves small inputs alone and covers them where the size differs") {
  const Image same = counting_image(32, 32);
  CHECK(run(EvalTransform(AugmentOptions{}, 32, 32), same).pixels == same.pixels);
  const Image wide = counting_image(32, 64);
  const Image out = run(EvalTransform(AugmentOptions{}, 32, 32), wide);
  CHECK(pixel(out, 5, 0) == pixel(wide, 5, 16));
}

TEST_CASE("Evaluation serves inputs that are not square") {
  AugmentOptions options;
  options.eval_crop_ratio = 1.0;
  const Image image = counting_image(48, 100);
  const Image out = run(EvalTransform(options, 48, 80), image);
  CHECK(pixel(out, 3, 0) == pixel(image, 3, 10));
  CHECK(pixel(out, 47, 79) == pixel(image, 47, 89));
}

TEST_CASE("Transforms refuse options out of range") {
  AugmentOptions options;
  CHECK_THROWS_AS(EvalTransform(options, 0, 32), std::invalid_argument);
  options.crop_scale = {0.5, 0.1};
  CHECK_THROWS_AS(TrainTransform(options, 32, 32), std::invalid_argument);
}

TEST_CASE("Simple random crop resizes the shorter side and mirrors four pixels at the border") {
  // 16 x 16 of 16 x 24: rows -4 to 4 and columns -4 to 12 are possible beginnings.
  const Image image = counting_image(16, 24);
  const TrainTransform transform(options_of(TrainCrop::kSimpleRandom, 0.0), 16, 16);
  const auto mirrored = [](int64_t position, int64_t size) {
    const int64_t folded = std::abs(position);
    return folded < size ? folded : 2 * (size - 1) - folded;
  };
  std::set<std::pair<int, int>> places;
  for (uint64_t position = 0; position < 3000; ++position) {
    const Image out = run(transform, image, position);
    const int left = pixel(out, 8, 8)[0] - 9;
    const int top = pixel(out, 8, 8)[1] - 9;
    places.insert({top, left});
    for (int64_t y = 0; y < 16; ++y) {
      for (int64_t x = 0; x < 16; ++x) {
        REQUIRE(pixel(out, y, x) == pixel(image, mirrored(y + top, 16), mirrored(x + left, 24)));
      }
    }
  }
  CHECK(places.size() == 9 * 17);
}

TEST_CASE("Simple random crop covers images of another size and survives single pixels") {
  AugmentOptions options = options_of(TrainCrop::kSimpleRandom, 0.0);
  options.crop_padding = 0;
  const Image tall = counting_image(60, 32);
  const Image expected = vim::data::resize(vim::data::view_of(tall), options.interpolation, 30, 16);
  const Image out = run(TrainTransform(options, 16, 16), tall, 5);
  const int64_t top = std::find_if(
                          expected.pixels.begin(),
                          expected.pixels.end(),
                          [&](const uint8_t& value) {
                            return std::equal(out.pixels.begin(), out.pixels.end(), &value);
                          }) -
                      expected.pixels.begin();
  CHECK(top % (16 * 3) == 0);
  CHECK(top < 15 * 16 * 3);
  options.crop_padding = 4;
  const Image dot{1, 1, {5, 6, 7}};
  CHECK(pixel(run(TrainTransform(options, 1, 1), dot), 0, 0) == std::array<int, 3>{5, 6, 7});
}

TEST_CASE(
    "Random interpolation takes the bilinear or the bicubic filter, and bicubic to evaluate") {
  AugmentOptions options = options_of(TrainCrop::kCenter, 0.0);
  Image image = counting_image(90, 70);  // a ramp, which all filters keep
  image.pixels[(45 * 70 + 35) * 3] = 255;
  const auto train_with = [&](vim::data::Interpolation filter, uint64_t position) {
    options.interpolation = filter;
    return run(TrainTransform(options, 48, 48), image, position).pixels;
  };
  const auto linear = train_with(vim::data::Interpolation::kBilinear, 0);
  const auto cubic = train_with(vim::data::Interpolation::kBicubic, 0);
  REQUIRE(linear != cubic);
  int num_linear = 0;
  for (uint64_t position = 0; position < 400; ++position) {
    const auto drawn = train_with(vim::data::Interpolation::kRandom, position);
    REQUIRE((drawn == linear || drawn == cubic));
    num_linear += drawn == linear ? 1 : 0;
  }
  CHECK(std::abs(num_linear - 200) < 50);  // five standard deviations of 10
  CHECK(run(EvalTransform(options, 48, 48), image).pixels == cubic);
}

TEST_CASE("RandAugment is applied to the cropped and flipped image with the mean as fill colour") {
  AugmentOptions options = options_of(TrainCrop::kCenter, 1.0);
  options.auto_augment = "rand-m9-mstd0.5-inc1";
  const Image image = counting_image(32, 32);
  const TrainTransform transform(options, 32, 32);
  const Image plain = run(TrainTransform(options_of(TrainCrop::kCenter, 1.0), 32, 32), image);
  int num_changed = 0;
  for (uint64_t position = 0; position < 300; ++position) {
    RandomKey key = key_at(position);
    key.stream = vim::core::RandomStream::kAugment;
    Random random(key);
    Image expected = plain;
    std::vector<uint8_t> scratch;
    const auto policy = vim::data::parse_rand_augment(options.auto_augment);
    for (const auto& op : vim::data::draw_rand_augment(policy, random)) {
      // Mean (0.485, 0.456, 0.406) in 8 bits.
      vim::data::apply_op(
          op,
          vim::data::span_of(expected),
          {vim::data::Interpolation::kBicubic, {124, 116, 104}},
          scratch);
    }
    REQUIRE(run(transform, image, position).pixels == expected.pixels);
    num_changed += expected.pixels == plain.pixels ? 0 : 1;
  }
  CHECK(num_changed > 150);  // a quarter has no operation, and few operations do nothing
}

TEST_CASE("ThreeAugment is followed by colour jitter, which RandAugment leaves out") {
  AugmentOptions options = options_of(TrainCrop::kCenter, 0.0);
  options.three_augment = true;
  const Image grey{16, 16, std::vector<uint8_t>(16 * 16 * 3, 100)};
  std::set<int> values;
  for (uint64_t position = 0; position < 60; ++position) {
    values.insert(run(TrainTransform(options, 16, 16), grey, position).pixels[0]);
  }
  CHECK(values == std::set<int>{100});  // nothing that the three operations do shows here
  options.color_jitter = 0.3;
  for (uint64_t position = 0; position < 60; ++position) {
    values.insert(run(TrainTransform(options, 16, 16), grey, position).pixels[0]);
  }
  CHECK(values.size() > 20);
  options.three_augment = false;
  options.auto_augment = "rand-m9-mstd0.5-inc1";
  const auto with_jitter = run(TrainTransform(options, 16, 16), grey, 3).pixels;
  options.color_jitter = 0.0;
  CHECK(run(TrainTransform(options, 16, 16), grey, 3).pixels == with_jitter);
}

TEST_CASE("Colour jitter alone is applied where no policy is named") {
  AugmentOptions options = options_of(TrainCrop::kCenter, 0.0);
  options.color_jitter = 0.5;
  const Image image = counting_image(16, 16);
  CHECK(run(TrainTransform(options, 16, 16), image, 1).pixels != image.pixels);
  options.color_jitter = -0.1;
  CHECK_THROWS_AS(TrainTransform(options, 16, 16), std::invalid_argument);
}

TEST_CASE("Train transform refuses a policy that cannot be read") {
  AugmentOptions options;
  options.auto_augment = "rand-q7";
  CHECK_THROWS_AS(TrainTransform(options, 16, 16), std::invalid_argument);
}

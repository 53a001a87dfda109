// Pixels as erasing and mixing are defined on 8 bits: normalisation is the same linear map for all.
#include "src/data/step_view.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "src/data/erase.h"
#include "tests/support/catch.h"

namespace vim::data {
namespace {

constexpr Size kSize = {12, 10};
constexpr int64_t kBytes = 12 * 10 * 3;
constexpr StepImages kImages = {3, 70, 8, 4};

AugmentOptions plain() {
  AugmentOptions options;
  options.erase_prob = 0;
  options.mix_prob = 0;
  return options;
}

std::vector<uint8_t> noise() {
  std::mt19937 generator(1);
  std::vector<uint8_t> pixels(static_cast<size_t>(kImages.count * kBytes));
  for (uint8_t& pixel : pixels) {
    pixel = static_cast<uint8_t>(generator() % 256);
  }
  return pixels;
}

// Byte `i` of an image lies in the box.
bool is_inside(const auto& box, int64_t i) {
  const int64_t y = i / 3 / kSize.width;
  const int64_t x = i / 3 % kSize.width;
  return y >= box.y0 && y < box.y1 && x >= box.x0 && x < box.x1;
}

}  // namespace

TEST_CASE("Without erasing and mixing a step sees the loader's bytes") {
  const std::vector<uint8_t> pixels = noise();
  const std::vector<StepView> views = view_step(pixels.data(), kSize, plain(), 1, kImages);
  REQUIRE(views.size() == 4);
  for (size_t i = 0; i < 4; ++i) {
    const auto begin = pixels.begin() + static_cast<int64_t>(i) * kBytes;
    CHECK(views[i].image.pixels == std::vector<uint8_t>(begin, begin + kBytes));
    CHECK(views[i].partner == static_cast<int64_t>(i));
    CHECK(views[i].mix.target_lambda == 1.0);
  }
}

TEST_CASE("Mixed images are their own pixels and their mirrored partner's in the drawn shares") {
  AugmentOptions options = plain();
  options.mix_prob = 1;
  options.mix_mode = MixMode::kElem;
  options.mix_switch_prob = GENERATE(0.0, 1.0);
  const std::vector<uint8_t> pixels = noise();
  const std::vector<StepView> views = view_step(pixels.data(), kSize, options, 2, kImages);
  const std::vector<GroupMix> groups = draw_mixes(options, kSize, 2, kImages);
  REQUIRE(views.size() == 4);
  for (int64_t i = 0; i < 4; ++i) {
    const int64_t partner = i / 2 * 2 + 1 - i % 2;
    const ImageMix& mix = groups[static_cast<size_t>(i / 2)][static_cast<size_t>(i % 2)];
    const StepView& view = views[static_cast<size_t>(i)];
    CHECK(view.partner == partner);
    CHECK(view.mix.target_lambda == mix.target_lambda);
    double worst = 0;
    for (int64_t byte = 0; byte < kBytes; ++byte) {
      const double own = pixels[static_cast<size_t>(i * kBytes + byte)];
      const double other = pixels[static_cast<size_t>(partner * kBytes + byte)];
      const double share = is_inside(mix, byte) ? 0.0 : mix.pixel_lambda;
      const double expected = share * own + (1 - share) * other;
      worst = std::max(worst, std::abs(expected - view.image.pixels[static_cast<size_t>(byte)]));
    }
    CHECK(worst < 0.501);  // rounded to bytes
  }
}

TEST_CASE("Erased boxes have the mean colour, everything else its own") {
  AugmentOptions options = plain();
  options.erase_prob = 1;
  options.erase_mode = EraseMode::kConst;
  const std::vector<uint8_t> pixels = noise();
  const std::vector<StepView> views = view_step(pixels.data(), kSize, options, 1, kImages);
  const auto boxes = draw_erasing(options, {kSize.height, kSize.width}, kImages);
  constexpr uint8_t kMean[3] = {124, 116, 104};  // 255 * 0.485, 0.456, 0.406
  int64_t num_erased = 0;
  for (int64_t i = 0; i < 4 * kBytes; ++i) {
    const bool is_erased = is_inside(boxes[static_cast<size_t>(i / kBytes)], i % kBytes);
    const uint8_t expected = is_erased ? kMean[i % 3] : pixels[static_cast<size_t>(i)];
    num_erased += is_erased;
    REQUIRE(
        views[static_cast<size_t>(i / kBytes)].image.pixels[static_cast<size_t>(i % kBytes)] ==
        expected);
  }
  CHECK(num_erased > 0);
}

TEST_CASE("Images that fill no mixing group are left out of a step's view") {
  AugmentOptions options = plain();
  options.mix_prob = 1;
  const std::vector<uint8_t> pixels = noise();
  CHECK(view_step(pixels.data(), kSize, options, 2, {3, 70, 8, 3}).size() == 2);
}

}  // namespace vim::data

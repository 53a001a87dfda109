// The law of the draws; boxes and mixed pixels are compared with timm's in the golden runner
// (mixup).
#include "src/data/mix.h"

#include <cmath>
#include <set>

#include "src/core/error.h"
#include "tests/support/catch.h"

namespace vim::data {
namespace {

constexpr int kDraws = 4000;
constexpr Size kSize = {64, 48};

core::RandomKey group_key(int step) {
  return {1, core::RandomStream::kMix, static_cast<uint64_t>(step), 0, 0};
}

ImageMix draw(const AugmentOptions& options, int step) {
  core::Random random(group_key(step));
  return draw_mix(options, kSize, random);
}

bool has_box(const ImageMix& mix) { return mix.y1 > mix.y0 && mix.x1 > mix.x0; }

double box_share(const ImageMix& mix) {
  return static_cast<double>((mix.y1 - mix.y0) * (mix.x1 - mix.x0)) /
         static_cast<double>(kSize.height * kSize.width);
}

// Whether a mean of kDraws values lies within five standard errors of what it should be.
bool is_near(double sum, double mean, double variance) {
  return std::abs(sum / kDraws - mean) < 5 * std::sqrt(variance / kDraws);
}

std::vector<double> lambdas(const GroupMix& group) {
  std::vector<double> values;
  for (const ImageMix& mix : group) values.push_back(mix.target_lambda);
  return values;
}

}  // namespace

TEST_CASE("partners are mirrored within each group") {
  const auto samples = mix_samples(std::vector<GroupMix>(2, GroupMix(3)));
  std::vector<int64_t> partners;
  for (const kernels::SampleMix& sample : samples) {
    partners.push_back(sample.partner);
  }
  CHECK(partners == std::vector<int64_t>{2, 1, 0, 5, 4, 3});
}

TEST_CASE("mixing, CutMix and lambda are drawn as often as the options say") {
  AugmentOptions options;
  options.mix_prob = 0.8;
  options.mix_switch_prob = 0.25;
  int num_mixup = 0;
  int num_cutmix = 0;
  for (int step = 0; step < kDraws; ++step) {
    const ImageMix mix = draw(options, step);
    num_mixup += mix.pixel_lambda != 1.0;
    num_cutmix += has_box(mix);
  }
  // Five standard deviations of a binomial count; empty boxes are rare at 64 x 48.
  CHECK(std::abs(num_mixup - 0.6 * kDraws) < 5 * std::sqrt(0.24 * kDraws));
  CHECK(num_cutmix <= 0.2 * kDraws + 5 * std::sqrt(0.16 * kDraws));
  CHECK(num_cutmix >= 0.19 * kDraws - 5 * std::sqrt(0.16 * kDraws));
}

TEST_CASE("mixup's lambda follows Beta(alpha, alpha)") {
  AugmentOptions options;
  options.mix_switch_prob = 0.0;
  double sum = 0;
  double squares = 0;
  double fourths = 0;
  for (int step = 0; step < kDraws; ++step) {
    const ImageMix mix = draw(options, step);
    CHECK((mix.pixel_lambda == mix.target_lambda && !has_box(mix)));
    const double off_centre = mix.pixel_lambda - 0.5;
    sum += off_centre;
    squares += std::pow(off_centre, 2);
    fourths += std::pow(off_centre, 4);
  }
  const double variance = 1 / (4 * (2 * 0.8 + 1));
  const double fourth = 3 * variance * variance * (2 * 0.8 + 1) / (2 * 0.8 + 3);
  CHECK(is_near(sum, 0, variance));
  CHECK(is_near(squares, variance, fourth - variance * variance));
  CHECK(is_near(fourths, fourth, 1.0 / 1024));  // values from 0 to 1/16
}

TEST_CASE("CutMix leaves the label the area outside its box, which is 1 - lambda or cut off") {
  AugmentOptions options;
  options.mix_switch_prob = 1.0;
  int num_whole = 0;
  double sum = 0;
  for (int step = 0; step < kDraws; ++step) {
    const ImageMix mix = draw(options, step);
    CHECK(mix.pixel_lambda == 1.0);
    CHECK(mix.target_lambda == Approx(1 - box_share(mix)));
    if (mix.y0 > 0 && mix.y1 < kSize.height && mix.x0 > 0 && mix.x1 < kSize.width) {
      ++num_whole;  // its sides are sqrt(1 - lambda) of the image's, down to an even number
      CHECK(std::abs((mix.y1 - mix.y0) / 64.0 - (mix.x1 - mix.x0) / 48.0) < 2.0 / 48);
    }
    sum += box_share(mix);
  }
  // The mean over all centres and 200,000 lambdas; a share's variance is at most m (1 - m).
  constexpr double kMeanShare = 0.30824;
  CHECK(num_whole > 0);
  CHECK(is_near(sum, kMeanShare, kMeanShare * (1 - kMeanShare)));
}

TEST_CASE("cutmix_minmax turns CutMix on and bounds both sides of its box") {
  AugmentOptions options;
  options.cutmix_alpha = 0.0;
  options.cutmix_minmax = {0.25, 0.75};
  CHECK(is_mixing(options));
  double heights = 0;
  double widths = 0;
  int num_boxes = 0;
  for (int step = 0; step < kDraws; ++step) {
    const ImageMix mix = draw(options, step);
    if (mix.pixel_lambda != 1.0) continue;
    ++num_boxes;
    const int height = mix.y1 - mix.y0;
    const int width = mix.x1 - mix.x0;
    CHECK((height >= 16 && height < 48 && width >= 12 && width < 36));
    CHECK((mix.y0 >= 0 && mix.y1 < 64 && mix.x0 >= 0 && mix.x1 < 48));
    CHECK(mix.target_lambda == Approx(1 - box_share(mix)));
    heights += height - 31.5;
    widths += width - 23.5;
  }
  CHECK(std::abs(num_boxes - 0.5 * kDraws) < 5 * std::sqrt(0.25 * kDraws));
  // Uniform over 32 heights and 24 widths.
  CHECK(std::abs(heights / num_boxes) < 5 * std::sqrt((32 * 32 - 1) / 12.0 / num_boxes));
  CHECK(std::abs(widths / num_boxes) < 5 * std::sqrt((24 * 24 - 1) / 12.0 / num_boxes));
  options.mixup_alpha = 0.0;
  CHECK(has_box(draw(options, 0)));
  options.cutmix_minmax = {0.5, 0.501};
  CHECK_THROWS_AS(draw(options, 0), Error);
}

TEST_CASE("a draw holds for the group, a mirrored pair or one image") {
  AugmentOptions options;
  options.mix_switch_prob = 0.0;
  const auto drawn = [&options](MixMode mode) {
    options.mix_mode = mode;
    return lambdas(draw_group_mix(options, kSize, 8, group_key(3)));
  };
  const std::vector<double> batch = drawn(MixMode::kBatch);
  const std::vector<double> pair = drawn(MixMode::kPair);
  const std::vector<double> elem = drawn(MixMode::kElem);
  CHECK(std::set<double>(batch.begin(), batch.end()).size() == 1);
  CHECK(std::set<double>(pair.begin(), pair.end()).size() == 4);
  CHECK(std::set<double>(elem.begin(), elem.end()).size() == 8);
  for (size_t i = 0; i < 8; ++i) {
    CHECK(pair[i] == pair[7 - i]);
  }
}

TEST_CASE("draws of a group's images are independent and as frequent as one alone") {
  AugmentOptions options;
  options.mix_mode = MixMode::kElem;
  options.mix_prob = 0.5;
  int num_mixed = 0;
  int num_both = 0;
  for (int step = 0; step < kDraws; ++step) {
    const GroupMix group = draw_group_mix(options, kSize, 2, group_key(step));
    const bool is_mixed[] = {group[0].target_lambda != 1.0, group[1].target_lambda != 1.0};
    num_mixed += is_mixed[0];
    num_both += is_mixed[0] && is_mixed[1];
  }
  // A small box may be empty: at most 1 CutMix in 100.
  CHECK(num_mixed < 0.5 * kDraws + 5 * std::sqrt(0.25 * kDraws));
  CHECK(num_mixed > 0.497 * kDraws - 5 * std::sqrt(0.25 * kDraws));
  CHECK(std::abs(num_both - 0.249 * kDraws) < 5 * std::sqrt(0.1875 * kDraws));
}

TEST_CASE("without mixing a group is one image, with it a divisor of the global batch") {
  AugmentOptions options;
  CHECK(mix_group_size(options, 96) == 96);
  options.mix_group = 32;
  CHECK(mix_group_size(options, 96) == 32);
  options.mix_group = 64;
  CHECK_THROWS_AS(mix_group_size(options, 96), Error);
  options.mixup_alpha = 0;
  options.cutmix_alpha = 0;
  CHECK(mix_group_size(options, 96) == 1);
}

TEST_CASE("a group's mix does not depend on how the batch is cut, but on seed and step") {
  AugmentOptions options;
  options.mix_mode = MixMode::kElem;
  const auto lambdas_of = [&options](const StepImages& images) {
    std::vector<double> values;
    for (const GroupMix& group : draw_mixes(options, kSize, 4, images)) {
      for (const double lambda : lambdas(group)) values.push_back(lambda);
    }
    return values;
  };
  const std::vector<double> whole = lambdas_of({7, 5, 0, 16});
  CHECK(whole.size() == 16);
  CHECK(lambdas_of({7, 5, 8, 4}) == std::vector<double>(whole.begin() + 8, whole.begin() + 12));
  CHECK(lambdas_of({7, 6, 0, 16}) != whole);
  CHECK(lambdas_of({8, 5, 0, 16}) != whole);
}

}  // namespace vim::data

// Boxes, mixed pixels and targets are compared with timm's in the golden runner (mixup).
#include "src/train/mix.h"

#include <ATen/ATen.h>

#include <cmath>

#include "src/core/error.h"
#include "tests/support/catch.h"

namespace vim::train {

TEST_CASE("partners are mirrored within each group") {
  const auto samples = mix_samples(std::vector<GroupMix>(2), 3);
  std::vector<int64_t> partners;
  for (const kernels::SampleMix& sample : samples) {
    partners.push_back(sample.partner);
  }
  CHECK(partners == std::vector<int64_t>{2, 1, 0, 5, 4, 3});
}

TEST_CASE("targets of an image sum to one") {
  GroupMix mix;
  mix.target_lambda = 0.3;
  const at::Tensor targets = mixed_targets({0, 1, 2, 2}, {mix, mix}, {5, 0.1});
  CHECK(at::allclose(targets.sum(1), at::ones({4})));
  CHECK(
      targets[3][2].item<double>() == Approx(0.02 + 0.9).epsilon(1e-6));  // partner of equal class
  CHECK_THROWS_AS(mixed_targets({0, 5}, {mix}, {5, 0.1}), c10::Error);
}

TEST_CASE("mixing, CutMix and lambda are drawn as often as the options say") {
  data::AugmentOptions options;
  options.mix_prob = 0.8;
  options.mix_switch_prob = 0.25;
  constexpr int kDraws = 4000;
  int num_mixup = 0;
  int num_cutmix = 0;
  for (int step = 0; step < kDraws; ++step) {
    core::Random random({1, core::RandomStream::kMix, static_cast<uint64_t>(step), 0, 0});
    const GroupMix mix = draw_group_mix(options, {64, 64}, random);
    num_mixup += mix.pixel_lambda != 1.0;
    num_cutmix += mix.y1 > mix.y0 && mix.x1 > mix.x0;
  }
  // Five standard deviations of a binomial count; empty boxes are rare at 64 x 64.
  CHECK(std::abs(num_mixup - 0.6 * kDraws) < 5 * std::sqrt(0.24 * kDraws));
  CHECK(num_cutmix <= 0.2 * kDraws + 5 * std::sqrt(0.16 * kDraws));
  CHECK(num_cutmix >= 0.19 * kDraws - 5 * std::sqrt(0.16 * kDraws));
}

TEST_CASE("without mixing a group is one image, with it a divisor of the global batch") {
  data::AugmentOptions options;
  CHECK(mix_group_size(options, 96) == 96);
  options.mix_group = 32;
  CHECK(mix_group_size(options, 96) == 32);
  options.mix_group = 64;
  CHECK_THROWS_AS(mix_group_size(options, 96), Error);
  options.mixup_alpha = 0;
  options.cutmix_alpha = 0;
  CHECK(mix_group_size(options, 96) == 1);
}

}  // namespace vim::train

// Targets are compared with timm's in the golden runner (mixup).
#include "src/train/mix.h"

#include <ATen/ATen.h>

#include "tests/support/catch.h"

namespace vim::train {

using data::GroupMix;
using data::ImageMix;

TEST_CASE("targets of an image sum to one") {
  ImageMix mix;
  mix.target_lambda = 0.3;
  const std::vector<GroupMix> groups(2, GroupMix(2, mix));
  const at::Tensor targets = mixed_targets({0, 1, 2, 2}, groups, {5, 0.1});
  CHECK(at::allclose(targets.sum(1), at::ones({4})));
  CHECK(
      targets[3][2].item<double>() == Approx(0.02 + 0.9).epsilon(1e-6));  // partner of equal class
  CHECK_THROWS_AS(mixed_targets({0, 5}, {GroupMix(2, mix)}, {5, 0.1}), c10::Error);
  CHECK_THROWS_AS(mixed_targets({0, 1, 2}, {GroupMix(2, mix)}, {5, 0.1}), c10::Error);
}

TEST_CASE("each image's own lambda weights its label and its partner's") {
  GroupMix group(4);
  for (size_t i = 0; i < 4; ++i) {
    group[i].pixel_lambda = group[i].target_lambda = 0.1 * static_cast<double>(i + 1);
  }
  const at::Tensor targets = mixed_targets({0, 1, 2, 3}, {group}, {4, 0.0});
  const at::Tensor expected = at::tensor(
      {0.1F,
       0.0F,
       0.0F,
       0.9F,
       0.0F,
       0.2F,
       0.8F,
       0.0F,
       0.0F,
       0.7F,
       0.3F,
       0.0F,
       0.6F,
       0.0F,
       0.0F,
       0.4F});
  CHECK(at::allclose(targets, expected.view({4, 4})));
  const auto samples = data::mix_samples({group});
  for (size_t i = 0; i < 4; ++i) {
    CHECK(samples[i].mix_lambda == static_cast<float>(group[i].pixel_lambda));
  }
}

}  // namespace vim::train

#include "src/train/mix.h"

#include <ATen/ATen.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>

#include "src/core/error.h"
#include "tests/support/catch.h"
#include "tests/support/golden_file.h"
#include "tests/support/mix_pixels.h"

namespace vim::train {
namespace {

constexpr double kTolerance = 1e-6;  // golden/README.md: mixup in float

struct GoldenMix {
  weights::SafetensorsFile file =
      weights::SafetensorsFile::open(test::golden_path("mixup.safetensors"));
  nlohmann::json cases = nlohmann::json::parse(file.metadata().at("cases"));
  at::Tensor input = test::read_tensor(file, "input");
  int64_t num_classes = std::stoll(file.metadata().at("num_classes"));

  std::vector<int64_t> labels() const {
    const at::Tensor tensor = test::read_tensor(file, "labels");
    const auto* values = tensor.const_data_ptr<int64_t>();
    return {values, values + tensor.numel()};
  }

  GroupMix mix(const nlohmann::json& settings) const {
    if (settings["kind"] == "mixup") {
      GroupMix mix;
      mix.pixel_lambda = settings["lam"];
      mix.target_lambda = settings["lam"];
      return mix;
    }
    const ImageSize size{input.size(2), input.size(3)};
    return cutmix_around(settings["lam"], settings["centre_y"], settings["centre_x"], size);
  }
};

}  // namespace

TEST_CASE("mixed images and targets equal the reference") {
  const GoldenMix golden;
  REQUIRE(golden.cases.size() == 5);
  for (const auto& [name, settings] : golden.cases.items()) {
    INFO(name);
    const GroupMix mix = golden.mix(settings);
    const at::Tensor images = test::mix_pixels(golden.input, mix_samples({mix}, 4));
    CHECK(test::relative_error(images, test::read_tensor(golden.file, name + "/out")) < kTolerance);
    const at::Tensor targets =
        mixed_targets(golden.labels(), {mix}, {golden.num_classes, settings["smoothing"]});
    CHECK(
        test::relative_error(targets, test::read_tensor(golden.file, name + "/targets")) <
        kTolerance);
  }
}

TEST_CASE("a CutMix box is cut off at the border and its area weighs the labels") {
  const GoldenMix golden;
  for (const auto& [name, settings] : golden.cases.items()) {
    if (settings["kind"] != "cutmix") {
      continue;
    }
    INFO(name);
    const GroupMix mix = golden.mix(settings);
    CHECK(mix.y0 == settings["box"]["y0"].get<int32_t>());
    CHECK(mix.y1 == settings["box"]["y1"].get<int32_t>());
    CHECK(mix.x0 == settings["box"]["x0"].get<int32_t>());
    CHECK(mix.x1 == settings["box"]["x1"].get<int32_t>());
    CHECK(mix.target_lambda == Approx(settings["lam_after"].get<double>()).epsilon(1e-12));
    CHECK(mix.pixel_lambda == 1.0);
  }
}

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

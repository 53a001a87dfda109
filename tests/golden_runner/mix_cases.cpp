// mixup cases: boxes, mixing weights and soft targets. The stored images are floats, so the pixels
// are mixed here as kernels/image_batch.h states; the kernel itself is compared with that statement
// in tests/kernels.
#include <ATen/ATen.h>

#include <nlohmann/json.hpp>

#include "src/train/mix.h"
#include "tests/golden_runner/cases.h"
#include "tests/support/mix_pixels.h"

namespace vim::golden {
namespace {

constexpr double kTolerance = 1e-6;

train::GroupMix mix_of(const nlohmann::json& settings, const at::Tensor& images) {
  const double lambda = settings.at("lam").get<double>();
  if (settings.at("kind") == "mixup") {
    train::GroupMix mix;
    mix.pixel_lambda = lambda;
    mix.target_lambda = lambda;
    return mix;
  }
  return train::cutmix_around(
      lambda,
      settings.at("centre_y").get<int64_t>(),
      settings.at("centre_x").get<int64_t>(),
      {images.size(2), images.size(3)});
}

}  // namespace

Checks run_mixup(const std::filesystem::path& path) {
  const GoldenFile golden = load_golden(path);
  const at::Tensor& images = golden.at("input");
  const at::Tensor& stored = golden.at("labels");
  const auto* begin = stored.const_data_ptr<int64_t>();
  const std::vector<int64_t> labels(begin, begin + stored.numel());
  const int64_t num_classes = std::stoll(golden.metadata.at("num_classes"));
  Checks checks;
  const auto cases = nlohmann::json::parse(golden.metadata.at("cases"));
  for (const auto& [name, settings] : cases.items()) {
    const train::GroupMix mix = mix_of(settings, images);
    const auto samples = train::mix_samples({mix}, images.size(0));
    const double smoothing = settings.at("smoothing").get<double>();
    const at::Tensor targets = train::mixed_targets(labels, {mix}, {num_classes, smoothing});
    checks.push_back(
        {name + " out",
         relative_error(test::mix_pixels(images, samples), golden.at(name + "/out")),
         kTolerance});
    checks.push_back(
        {name + " targets", relative_error(targets, golden.at(name + "/targets")), kTolerance});
  }
  return checks;
}

}  // namespace vim::golden

// mixup cases: boxes, mixing weights and soft targets. The stored images are floats, so the pixels
// are mixed here as kernels/image_batch.h states; the kernel itself is compared with that statement
// in tests/kernels.
#include <ATen/ATen.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "src/train/mix.h"
#include "tests/golden_runner/cases.h"
#include "tests/support/mix_pixels.h"

namespace vim::golden {
namespace {

constexpr double kTolerance = 1e-6;
constexpr double kDouble = 1e-12;  // the share of a box is computed in double

data::ImageMix mix_of(const nlohmann::json& settings, const at::Tensor& images) {
  const double lambda = settings.at("lam").get<double>();
  if (settings.at("kind") == "mixup") {
    data::ImageMix mix;
    mix.pixel_lambda = lambda;
    mix.target_lambda = lambda;
    return mix;
  }
  return data::cutmix_around(
      lambda,
      settings.at("centre_y").get<int64_t>(),
      settings.at("centre_x").get<int64_t>(),
      {images.size(2), images.size(3)});
}

// Where CutMix puts its box, and the weight that the box's area leaves to the labels.
double box_error(const nlohmann::json& settings, const data::ImageMix& mix) {
  const nlohmann::json& box = settings.at("box");
  const bool is_placed = mix.y0 == box.at("y0") && mix.y1 == box.at("y1") &&
                         mix.x0 == box.at("x0") && mix.x1 == box.at("x1") &&
                         mix.pixel_lambda == 1.0;
  const double error = std::abs(mix.target_lambda - settings.at("lam_after").get<double>());
  return is_placed ? error : std::numeric_limits<double>::infinity();
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
    const data::ImageMix mix = mix_of(settings, images);
    if (settings.at("kind") == "cutmix") {
      checks.push_back({name + " box", box_error(settings, mix), kDouble});
    }
    const std::vector<data::GroupMix> groups = {
        data::GroupMix(static_cast<size_t>(images.size(0)), mix)};
    const auto samples = data::mix_samples(groups);
    const double smoothing = settings.at("smoothing").get<double>();
    const at::Tensor targets = train::mixed_targets(labels, groups, {num_classes, smoothing});
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

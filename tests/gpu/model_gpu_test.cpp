// The same model on the CPU and on the GPU: logits in every precision, gradients in float.
#include <ATen/ATen.h>

#include <map>
#include <string>

#include "src/models/presets.h"
#include "src/models/vision_mamba.h"
#include "src/train/compute_device.h"
#include "src/train/losses.h"
#include "tests/gpu/gpu.h"
#include "tests/models/toy_model.h"
#include "tests/support/catch.h"
#include "tests/support/golden_file.h"

namespace vim::models {
namespace {

using train::Precision;

struct Subject {
  std::string name;
  VisionMamba (*make)();
  at::IntArrayRef image_shape;
};

VisionMamba make_small() { return make_toy(toy_options()); }
VisionMamba make_tiny() { return make_model(preset_options("vim_tiny")); }

constexpr int64_t kSmallShape[] = {2, 3, 64, 64};
constexpr int64_t kTinyShape[] = {2, 3, 224, 224};

std::vector<Subject> subjects() {
  return {{"small", make_small, kSmallShape}, {"vim_tiny", make_tiny, kTinyShape}};
}

at::Tensor images_of(const Subject& subject) { return sine_images(subject.image_shape, 0.003); }

at::Tensor logits_on(const Subject& subject, const at::Device& device, Precision precision) {
  const at::NoGradGuard no_grad;
  VisionMamba model = subject.make();
  train::place_for_inference(*model, device, precision);
  return model->forward(images_of(subject).to(device)).to(at::kCPU);
}

std::map<std::string, at::Tensor> gradients_on(const Subject& subject, const at::Device& device) {
  VisionMamba model = subject.make();
  model->to(device);
  const at::Tensor logits = model->forward(images_of(subject).to(device));
  const at::Tensor labels = at::tensor({1, 4}, at::kLong).to(device);
  train::label_smoothing_cross_entropy(logits, labels, 0.1).backward();
  std::map<std::string, at::Tensor> gradients;
  for (const auto& item : model->named_parameters()) {
    gradients[item.key()] = item.value().grad().to(at::kCPU);
  }
  return gradients;
}

TEST_CASE("the models compared have an odd number of tokens and the class token in the middle") {
  for (const Subject& subject : subjects()) {
    const VisionMambaOptions options = subject.make()->options();
    CHECK(options.mixer.bimamba == nn::Bimamba::kV2);
    CHECK(options.cls_position == ClsPosition::kMiddle);
    CHECK(options.num_tokens() % 2 == 1);
  }
}

TEST_CASE("logits on the GPU are the CPU's up to rounding, in every precision", "[gpu]") {
  if (!test::has_gpu()) {
    return;
  }
  for (const Subject& subject : subjects()) {
    const at::Tensor exact = logits_on(subject, at::kCPU, Precision::kFloat32);
    for (const Precision precision : test::kPrecisions) {
      const at::Tensor rounded = logits_on(subject, at::kCPU, precision);
      const at::Tensor actual = logits_on(subject, test::kGpu, precision);
      INFO(subject.name << " in " << test::name_of(precision));
      CHECK(actual.scalar_type() == at::kFloat);
      test::check_as_near(actual, rounded, exact);
    }
  }
}

TEST_CASE("gradients on the GPU are the CPU's up to rounding", "[gpu]") {
  if (!test::has_gpu()) {
    return;
  }
  // The golden limit for gradients of one operator on a GPU. The CPU's scalar and vector kernels
  // are 4e-6 apart here.
  constexpr double kGradientBound = 1e-4;
  for (const Subject& subject : subjects()) {
    const auto expected = gradients_on(subject, at::kCPU);
    const auto actual = gradients_on(subject, test::kGpu);
    REQUIRE(actual.size() == expected.size());
    for (const auto& [name, gradient] : expected) {
      INFO(subject.name << ", gradient of " << name);
      CHECK(test::relative_error(actual.at(name), gradient) < kGradientBound);
    }
  }
}

}  // namespace
}  // namespace vim::models

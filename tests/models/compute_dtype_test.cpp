// The model in 16 bits: which weights have shadows, and how far its results lie from float.
#include <ATen/ATen.h>

#include <cmath>
#include <set>
#include <string>

#include "src/models/vision_mamba.h"
#include "tests/models/official_values.h"
#include "tests/models/toy_model.h"
#include "tests/support/catch.h"

namespace vim::models {
namespace {

double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

TEST_CASE("shadows reach every weight of a matrix product but the head's") {
  VisionMamba model = make_toy(toy_options());
  const auto shadow = [](const at::Tensor& weight) {
    return weight.detach().to(at::kBFloat16).zero_();
  };
  model->install_shadows(shadow);
  std::set<std::string> shadowed;
  for (const auto& item : model->named_modules()) {
    const auto* linear = item.value()->as<nn::LinearImpl>();
    const auto* projection = item.value()->as<nn::PatchProjectionImpl>();
    if ((linear != nullptr && linear->weight_shadow.defined()) ||
        (projection != nullptr && projection->weight_shadow.defined())) {
      shadowed.insert(item.key());
    }
  }
  std::set<std::string> wanted = {"patch_embed.proj"};
  for (const char* layer : {"0", "1", "2", "3"}) {
    for (const char* name : {"in_proj", "x_proj", "dt_proj", "x_proj_b", "dt_proj_b", "out_proj"}) {
      wanted.insert(std::string("layers.") + layer + ".mixer." + name);
    }
  }
  CHECK(shadowed == wanted);
}

TEST_CASE("a bfloat16 model uses its shadows and gives the result of weights cast on the way") {
  const at::NoGradGuard no_grad;
  VisionMamba model = make_toy(toy_options());
  model->set_compute_dtype(at::kBFloat16);
  const at::Tensor cast = model->forward(toy_images());
  model->install_shadows([](const at::Tensor& weight) { return weight.to(at::kBFloat16); });
  CHECK(at::equal(model->forward(toy_images()), cast));
  model->install_shadows([](const at::Tensor& weight) { return weight.to(at::kBFloat16) * 2; });
  CHECK(largest_difference(model->forward(toy_images()), cast) > 0.01);
}

// Total gradient norm after one backward pass; the logits besides.
struct Pass {
  at::Tensor logits;
  double gradient_norm = 0.0;
};

Pass run_pass(at::ScalarType dtype) {
  VisionMamba model = make_toy(toy_options());
  model->set_compute_dtype(dtype);
  Pass pass;
  pass.logits = model->forward(toy_images());
  at::cross_entropy_loss(pass.logits, at::tensor({1, 4}, at::kLong)).backward();
  for (const at::Tensor& parameter : model->parameters()) {
    REQUIRE(parameter.grad().scalar_type() == at::kFloat);
  }
  pass.gradient_norm = total_gradient_norm(model);
  return pass;
}

TEST_CASE("a bfloat16 model stays within its rounding of the float one") {
  // Each layer rounds about eight activations to 2^-9; over four layers such errors add up as their
  // root, sqrt(32) 2^-9 = 1.1 %, of the size of the values. Three times that.
  constexpr double kBound = 0.033;
  const Pass exact = run_pass(at::kFloat);
  const Pass rounded = run_pass(at::kBFloat16);
  CHECK(rounded.logits.scalar_type() == at::kFloat);
  const double size = exact.logits.abs().max().item<double>();
  CHECK(largest_difference(rounded.logits, exact.logits) < kBound * size);
  CHECK(largest_difference(rounded.logits, exact.logits) > 0.0);
  CHECK(std::abs(rounded.gradient_norm / exact.gradient_norm - 1.0) < kBound);
}

}  // namespace
}  // namespace vim::models

// What the official code cannot show: refusals, options that fail there, and low precision.
#include "src/models/vision_mamba.h"

#include <ATen/ATen.h>

#include <functional>
#include <set>
#include <string>

#include "tests/models/toy_model.h"
#include "tests/support/catch.h"

namespace vim::models {
namespace {

constexpr double kRounding = 1e-5;  // float rounding of values near 1 through four layers

std::string error_text(const std::function<void()>& call) {
  try {
    call();
  } catch (const c10::Error& error) {
    return error.what_without_backtrace();
  }
  return "";
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

at::Tensor logits_of(const VisionMambaOptions& options, const StepDraws& draws = {}) {
  const at::NoGradGuard no_grad;
  const at::Tensor images = sine_images({2, 3, options.img_size[0], options.img_size[1]}, 0.003);
  return make_toy(options)->forward(images, draws);
}

double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

TEST_CASE("images of another size, kind or number of channels than the options' are refused") {
  VisionMamba model(toy_options());
  const auto refusal = [&model](at::IntArrayRef shape) {
    return error_text([&] { model->forward(at::zeros(shape)); });
  };
  const std::string wanted = "VisionMamba: images must be (batch, 3, 64, 64), got ";
  CHECK(contains(refusal({2, 3, 64, 32}), wanted + "[2, 3, 64, 32]"));
  CHECK(contains(refusal({2, 3, 80, 64}), wanted + "[2, 3, 80, 64]"));
  CHECK(contains(refusal({2, 1, 64, 64}), wanted + "[2, 1, 64, 64]"));
  CHECK(contains(refusal({3, 64, 64}), wanted + "[3, 64, 64]"));
}

TEST_CASE("options that contradict each other are refused") {
  const auto refusal = [](void (*spoil)(VisionMambaOptions&)) {
    VisionMambaOptions options = toy_options();
    spoil(options);
    return error_text([&options] { VisionMamba model(options); });
  };
  CHECK(contains(
      refusal([](VisionMambaOptions& o) {
        o.img_size = {8, 64};
      }),
      "at least patch_size = 16"));
  CHECK(contains(refusal([](VisionMambaOptions& o) { o.depth = 0; }), "must be positive"));
  CHECK(contains(refusal([](VisionMambaOptions& o) { o.stride = 0; }), "must be positive"));
  CHECK(contains(
      refusal([](VisionMambaOptions& o) { o.pool = Pool::kAll; }), "need cls_position none"));
}

TEST_CASE("a class token position outside the sequence is refused") {
  VisionMambaOptions options = toy_options();
  options.cls_position = ClsPosition::kRandom;
  StepDraws draws;
  draws.cls_position = 17;
  CHECK(contains(
      error_text([&] { logits_of(options, draws); }),
      "class token position must be 0 to 16, got 17"));
}

TEST_CASE("a random class position at the middle or the front is the middle or head mode") {
  VisionMambaOptions random = toy_options();
  random.cls_position = ClsPosition::kRandom;
  VisionMambaOptions fixed = toy_options();
  StepDraws draws;
  draws.cls_position = 8;
  CHECK(at::equal(logits_of(random, draws), logits_of(fixed)));
  CHECK(at::equal(logits_of(random), logits_of(fixed)));
  fixed.cls_position = ClsPosition::kHead;
  draws.cls_position = 0;
  CHECK(at::equal(logits_of(random, draws), logits_of(fixed)));
}

TEST_CASE("an order that reverses the tokens is a flip that follows the class token") {
  // Without a class token to follow, both are the same.
  VisionMambaOptions options = toy_options();
  options.cls_position = ClsPosition::kNone;
  StepDraws ordered;
  ordered.token_order = at::arange(15, -1, -1, at::kLong);
  StepDraws flipped;
  flipped.flip_tokens = true;
  CHECK(at::equal(logits_of(options, ordered), logits_of(options, flipped)));
  // With one in front, the flip reads a patch and the order still reads the class token.
  options.cls_position = ClsPosition::kHead;
  ordered.token_order = at::arange(16, -1, -1, at::kLong);
  CHECK(largest_difference(logits_of(options, ordered), logits_of(options, flipped)) > 0.01);
}

// The hidden state that enters the first block, and the same without rope.
struct RopeStates {
  at::Tensor rotated;
  at::Tensor plain;
};

RopeStates rope_states(VisionMambaOptions options, const StepDraws& draws = {}) {
  const at::NoGradGuard no_grad;
  const at::Tensor images = sine_images({1, 3, options.img_size[0], options.img_size[1]}, 0.003);
  const auto first_residual = [&](bool rope) {
    options.rope = rope;
    LayerOutputs layers;
    make_model(options)->forward_features(images, draws, &layers);
    return layers.residual[0];
  };
  return {first_residual(true), first_residual(false)};
}

// Sequence slots that rope has not touched.
std::set<int64_t> untouched_slots(const RopeStates& states) {
  std::set<int64_t> slots;
  for (int64_t i = 0; i < states.plain.size(1); ++i) {
    if (at::equal(states.rotated.select(1, i), states.plain.select(1, i))) {
      slots.insert(i);
    }
  }
  return slots;
}

TEST_CASE("by the official rule rope leaves sequence slot 0 alone, and turns the class token") {
  // Slot 1 carries cell (0, 0), whose angles are 0.
  CHECK(untouched_slots(rope_states(toy_options())) == std::set<int64_t>{0, 1});
}

TEST_CASE("on request rope leaves the class token alone and turns the patches by their own cells") {
  VisionMambaOptions options = toy_options();
  options.rope_skips_first_token = false;
  CHECK(untouched_slots(rope_states(options)) == std::set<int64_t>{0, 8});
}

TEST_CASE("where rope fails upstream it turns the patches and leaves all class tokens alone") {
  VisionMambaOptions twice = toy_options();
  twice.cls_position = ClsPosition::kDouble;
  CHECK(untouched_slots(rope_states(twice)) == std::set<int64_t>{0, 1, 17});

  VisionMambaOptions odd = toy_options();  // 3 x 3 patches, 10 tokens
  odd.img_size = {48, 48};
  CHECK(untouched_slots(rope_states(odd)) == std::set<int64_t>{0, 4});

  VisionMambaOptions odd_without = odd;  // 9 tokens, none of them a class token
  odd_without.cls_position = ClsPosition::kNone;
  CHECK(untouched_slots(rope_states(odd_without)) == std::set<int64_t>{0});

  VisionMambaOptions overlapping = toy_options();  // 7 x 7 patches, 50 tokens
  overlapping.stride = 8;
  CHECK(untouched_slots(rope_states(overlapping)) == std::set<int64_t>{0, 24});
}

TEST_CASE("rope follows a random class position on a grid where upstream fails") {
  VisionMambaOptions options = toy_options();
  options.img_size = {48, 32};  // 3 x 2 patches, 7 tokens: odd, so the official rule applies
  options.cls_position = ClsPosition::kRandom;
  StepDraws draws;
  draws.cls_position = 5;
  CHECK(untouched_slots(rope_states(options, draws)) == std::set<int64_t>{0, 1});
  options.img_size = {48, 48};  // 10 tokens
  CHECK(untouched_slots(rope_states(options, draws)) == std::set<int64_t>{0, 5});
}

TEST_CASE("rope on grids where upstream fails leaves logits finite and changed") {
  VisionMambaOptions options = toy_options();
  options.cls_position = ClsPosition::kDouble;
  const at::Tensor plain = logits_of(options);
  options.rope = true;
  options.rope_residual = true;
  const at::Tensor rotated = logits_of(options);
  CHECK(at::isfinite(rotated).all().item<bool>());
  CHECK(largest_difference(rotated, plain) > 0.01);
}

TEST_CASE("a full drop of every branch leaves the embedding alone in the residual stream") {
  VisionMambaOptions options = toy_options();
  options.drop_path_rate = 0.5;
  VisionMamba model = make_toy(options);
  model->train();
  StepDraws draws;
  draws.drop_path_masks = at::zeros({5, 2});
  draws.drop_path_masks[1] = 1.0;
  LayerOutputs layers;
  model->forward_features(toy_images(), draws, &layers);
  // Block 1 has rate 0 and adds mixer 0's output; blocks 2 and 3 drop.
  CHECK(at::equal(layers.residual[1], layers.residual[0] + layers.hidden[0]));
  CHECK(at::equal(layers.residual[2], layers.residual[1]));
  CHECK(at::equal(layers.residual[3], layers.residual[1]));
}

TEST_CASE("masks change nothing in evaluation mode") {
  VisionMambaOptions options = toy_options();
  options.drop_path_rate = 0.5;
  options.drop_rate = 0.5;
  StepDraws draws;
  draws.drop_path_masks = at::zeros({5, 2});
  draws.dropout_mask = at::zeros({2, 17, 32});
  CHECK(at::equal(logits_of(options, draws), logits_of(options)));
}

TEST_CASE("dropout scales the kept values of the embedding up") {
  VisionMambaOptions options = toy_options();
  options.drop_path_rate = 0.0;
  options.drop_rate = 0.5;
  VisionMamba model = make_toy(options);
  LayerOutputs plain;
  model->forward_features(toy_images(), {}, &plain);
  model->train();
  StepDraws draws;
  draws.dropout_mask = at::ones({2, 17, 32});
  draws.dropout_mask[1][3].zero_();
  LayerOutputs dropped;
  model->forward_features(toy_images(), draws, &dropped);
  CHECK(at::equal(dropped.residual[0], plain.residual[0] * draws.dropout_mask / 0.5));
}

TEST_CASE("a model without classes returns its features") {
  VisionMambaOptions options = toy_options();
  options.num_classes = 0;
  CHECK(logits_of(options).sizes() == at::IntArrayRef({2, 32}));
}

TEST_CASE("each image's logits are its own, whatever the batch") {
  const at::NoGradGuard no_grad;
  VisionMamba model = make_toy(toy_options());
  const at::Tensor both = model->forward(toy_images());
  const at::Tensor second = model->forward(toy_images().narrow(0, 1, 1));
  CHECK(largest_difference(both.narrow(0, 1, 1), second) < kRounding);
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
  double squares = 0.0;
  for (const at::Tensor& parameter : model->parameters()) {
    REQUIRE(parameter.grad().scalar_type() == at::kFloat);
    squares += parameter.grad().to(at::kDouble).square().sum().item<double>();
  }
  pass.gradient_norm = std::sqrt(squares);
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

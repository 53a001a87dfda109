// What the official code does not show: refusals, and options that must agree with one another.
#include "src/models/vision_mamba.h"

#include <ATen/ATen.h>

#include <functional>
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

// Without gradients buffers are overwritten.
TEST_CASE("a pass without gradients has the logits of one with them") {
  const auto change = GENERATE(
      as<void (*)(VisionMambaOptions&)>{},
      [](VisionMambaOptions&) {},
      [](VisionMambaOptions& o) { o.norm = Norm::kLayer; },
      [](VisionMambaOptions& o) { o.mixer.layer_scale = 0.5; },
      [](VisionMambaOptions& o) { o.mixer.linear_bias = true; },
      [](VisionMambaOptions& o) { o.rope = true; },
      [](VisionMambaOptions& o) { o.bidirectional_pairs = true; });
  VisionMambaOptions options = toy_options();
  change(options);
  VisionMamba model = make_toy(options);
  const at::Tensor images = toy_images();
  const at::Tensor expected = model->forward(images).detach();
  const at::NoGradGuard no_grad;
  CHECK(largest_difference(model->forward(images), expected) < kRounding);
  CHECK(at::equal(images, toy_images()));
}

TEST_CASE("a pass without gradients drops what it is told to in training mode") {
  VisionMambaOptions options = toy_options();
  options.drop_path_rate = 0.5;
  VisionMamba model = make_toy(options);
  model->train();
  StepDraws draws;
  draws.drop_path_masks = at::zeros({5, 2});
  const at::Tensor expected = model->forward(toy_images(), draws).detach();
  const at::NoGradGuard no_grad;
  CHECK(at::equal(model->forward(toy_images(), draws), expected));
}

// With the last layer's output asked for, it computes every token.
TEST_CASE("the last layer computes the class token alone as it computes it among all") {
  const auto change = GENERATE(
      as<void (*)(VisionMambaOptions&)>{},
      [](VisionMambaOptions&) {},
      [](VisionMambaOptions& o) { o.cls_position = ClsPosition::kHead; },
      [](VisionMambaOptions& o) { o.mixer.bimamba = nn::Bimamba::kNone; },
      [](VisionMambaOptions& o) { o.mixer.bimamba = nn::Bimamba::kV1; },
      [](VisionMambaOptions& o) { o.depth = 1; },
      [](VisionMambaOptions& o) { o.rope = true; });
  VisionMambaOptions options = toy_options();
  change(options);
  options.drop_path_rate = 0.5;
  VisionMamba model = make_toy(options);
  model->train();
  StepDraws draws;
  draws.flip_tokens = GENERATE(false, true);
  draws.drop_path_masks = at::ones({options.depth + 1, 2});
  draws.drop_path_masks[options.depth][1] = 0.0;
  const auto recompute = GENERATE(Recompute::kNone, Recompute::kMixer);
  model->set_recompute(recompute);
  LayerOutputs layers;
  const at::Tensor among_all = model->forward_features(toy_images(), draws, &layers);
  const at::Tensor alone = model->forward_features(toy_images(), draws);
  CHECK(alone.sizes() == among_all.sizes());
  CHECK(largest_difference(alone, among_all) < kRounding);
  LayerOutputs front;
  front.wanted = {0};
  if (options.depth > 1) {
    CHECK(at::equal(model->forward_features(toy_images(), draws, &front), alone));
    CHECK(front.hidden.at(0).size(1) == options.num_tokens());
  }
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

}  // namespace
}  // namespace vim::models

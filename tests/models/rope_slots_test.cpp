// Which tokens rope turns: the official rule, and what holds where the official code fails.
#include <ATen/ATen.h>

#include <set>

#include "src/models/vision_mamba.h"
#include "tests/models/toy_model.h"
#include "tests/support/catch.h"

namespace vim::models {
namespace {

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

TEST_CASE("in flipped pairs rope leaves the class token alone where it stands after the flip") {
  VisionMambaOptions options = toy_options();
  options.bidirectional_pairs = true;
  options.img_size = {48, 48};  // 3 x 3 patches, 10 tokens: upstream fails; the class token is 4th
  StepDraws draws;
  CHECK(untouched_slots(rope_states(options, draws)) == std::set<int64_t>{0, 4});
  draws.flip_tokens = true;
  CHECK(untouched_slots(rope_states(options, draws)) == std::set<int64_t>{0, 5});
}

TEST_CASE("rope on a grid where upstream fails leaves logits finite and changed") {
  const at::NoGradGuard no_grad;
  VisionMambaOptions options = toy_options();
  options.cls_position = ClsPosition::kDouble;
  const at::Tensor plain = make_toy(options)->forward(toy_images());
  options.rope = true;
  options.rope_residual = true;
  const at::Tensor rotated = make_toy(options)->forward(toy_images());
  CHECK(at::isfinite(rotated).all().item<bool>());
  CHECK((rotated - plain).abs().max().item<double>() > 0.01);
}

}  // namespace
}  // namespace vim::models

#include "src/models/step_draws.h"

#include <ATen/ATen.h>

#include <cmath>

#include "src/models/vision_mamba.h"
#include "tests/models/toy_model.h"
#include "tests/support/catch.h"

namespace vim::models {
namespace {

constexpr double kStandardErrors = 4.0;  // one seed in 16000 would fail; the seeds are fixed

VisionMambaOptions make_options() {
  VisionMambaOptions options = toy_options();
  options.drop_path_rate = 0.4;
  options.drop_rate = 0.25;
  options.cls_position = ClsPosition::kRandom;
  options.random_token_order = true;
  options.token_flip_prob = 0.5;
  return options;
}

// Standard errors between a share of `count` fair trials and its probability.
double deviation(double share, double probability, int64_t count) {
  const double spread = std::sqrt(probability * (1 - probability) / static_cast<double>(count));
  return std::abs(share - probability) / spread;
}

TEST_CASE("draws do not depend on how a batch is split") {
  const VisionMambaOptions options = make_options();
  const StepDraws whole = draw_step(options, {3, 17, 0}, 8, true);
  const StepDraws tail = draw_step(options, {3, 17, 4}, 4, true);
  CHECK(at::equal(tail.drop_path_masks, whole.drop_path_masks.narrow(1, 4, 4)));
  CHECK(at::equal(tail.dropout_mask, whole.dropout_mask.narrow(0, 4, 4)));
  CHECK(at::equal(tail.token_order, whole.token_order));
  CHECK(tail.cls_position == whole.cls_position);
  CHECK(tail.flip_tokens == whole.flip_tokens);
}

TEST_CASE("draws repeat for the same key and change with seed, step and position") {
  const VisionMambaOptions options = make_options();
  const auto masks = [&options](const DrawKey& key) {
    return draw_step(options, key, 64, true).drop_path_masks;
  };
  const at::Tensor base = masks({3, 17, 0});
  CHECK(at::equal(base, masks({3, 17, 0})));
  CHECK_FALSE(at::equal(base, masks({4, 17, 0})));
  CHECK_FALSE(at::equal(base, masks({3, 18, 0})));
  CHECK_FALSE(at::equal(base, masks({3, 17, 64})));
}

TEST_CASE("images and layers draw their masks independently") {
  const at::Tensor masks = draw_step(make_options(), {5, 0, 0}, 4000, true).drop_path_masks;
  // Rates of rows 3 and 4 (the final one): 0.4 * 2 / 3 and 0.4. Both kept: the product.
  const double both = (masks[3] * masks[4]).mean().item<double>();
  CHECK(deviation(both, (1 - 0.4 * 2 / 3) * 0.6, 4000) < kStandardErrors);
  const at::Tensor last = masks[4];
  const double neighbours =
      (last.narrow(0, 0, 3999) * last.narrow(0, 1, 3999)).mean().item<double>();
  // Neighbouring products share a factor, which widens their spread by less than sqrt(3).
  CHECK(deviation(neighbours, 0.36, 3999) < std::sqrt(3.0) * kStandardErrors);
}

TEST_CASE("drop-path masks are 0 or 1 at each layer's rate, and 1 where the rate is 0") {
  const VisionMambaOptions options = make_options();
  const at::Tensor masks = draw_step(options, {6, 2, 0}, 4000, true).drop_path_masks;
  const auto rates = drop_path_schedule(options.depth, options.drop_path_rate);
  REQUIRE(masks.sizes() == at::IntArrayRef({5, 4000}));
  CHECK(((masks == 0) | (masks == 1)).all().item<bool>());
  for (size_t layer = 0; layer < rates.size(); ++layer) {
    CAPTURE(layer);
    const double kept = masks[static_cast<int64_t>(layer)].mean().item<double>();
    if (rates[layer] == 0.0) {
      CHECK(kept == 1.0);
    } else {
      CHECK(deviation(kept, 1 - rates[layer], 4000) < kStandardErrors);
    }
  }
}

TEST_CASE("the drop-path schedule of 24 layers has the published rates") {
  const auto rates = drop_path_schedule(24, 0.1);
  REQUIRE(rates.size() == 25);
  CHECK(rates[0] == 0.0);
  CHECK(rates[1] == 0.0);
  CHECK(rates[2] == Approx(0.0043478).epsilon(1e-4));
  CHECK(rates[23] == Approx(0.0956522).epsilon(1e-5));
  CHECK(rates[24] == 0.1);
}

TEST_CASE("dropout keeps its share of the values") {
  const VisionMambaOptions options = make_options();
  const at::Tensor mask = draw_step(options, {7, 0, 0}, 40, true).dropout_mask;
  REQUIRE(mask.sizes() == at::IntArrayRef({40, options.num_tokens(), 32}));
  CHECK(((mask == 0) | (mask == 1)).all().item<bool>());
  CHECK(deviation(mask.mean().item<double>(), 0.75, mask.numel()) < kStandardErrors);
}

TEST_CASE("dropout belongs to the position embedding and is not drawn without it") {
  VisionMambaOptions options = make_options();
  options.pos_embed = false;
  CHECK_FALSE(draw_step(options, {7, 0, 0}, 2, true).dropout_mask.defined());
}

TEST_CASE("the token order is a permutation and differs from step to step") {
  const VisionMambaOptions options = make_options();
  const at::Tensor order = draw_step(options, {8, 0, 0}, 1, true).token_order;
  const at::Tensor sorted = std::get<0>(order.sort());
  CHECK(at::equal(sorted, at::arange(options.num_tokens(), at::kLong)));
  CHECK_FALSE(at::equal(order, sorted));
  CHECK_FALSE(at::equal(order, draw_step(options, {8, 1, 0}, 1, true).token_order));
}

TEST_CASE("batch-wide choices follow their laws over the steps") {
  VisionMambaOptions options = make_options();
  options.drop_path_rate = 0.0;
  options.drop_rate = 0.0;
  options.random_token_order = false;
  constexpr int kSteps = 3400;
  std::vector<int> positions(static_cast<size_t>(options.num_patches()) + 1, 0);
  int flips = 0;
  for (int step = 0; step < kSteps; ++step) {
    const StepDraws draws = draw_step(options, {9, static_cast<uint64_t>(step), 0}, 1, true);
    ++positions.at(static_cast<size_t>(draws.cls_position.value()));
    flips += draws.flip_tokens ? 1 : 0;
  }
  CHECK(deviation(static_cast<double>(flips) / kSteps, 0.5, kSteps) < kStandardErrors);
  for (const int count : positions) {
    const double probability = 1.0 / static_cast<double>(positions.size());
    CHECK(deviation(static_cast<double>(count) / kSteps, probability, kSteps) < kStandardErrors);
  }
}

TEST_CASE("a flip probability of 2 always flips and one of 0 or -1 never does") {
  VisionMambaOptions options = toy_options();
  for (uint64_t step = 0; step < 50; ++step) {
    options.token_flip_prob = 2.0;
    CHECK(draw_step(options, {1, step, 0}, 1, true).flip_tokens);
    options.token_flip_prob = 0.0;
    CHECK_FALSE(draw_step(options, {1, step, 0}, 1, true).flip_tokens);
    options.token_flip_prob = -1.0;
    CHECK_FALSE(draw_step(options, {1, step, 0}, 1, true).flip_tokens);
  }
}

TEST_CASE("in evaluation nothing is drawn but the flip, and that only when asked for") {
  VisionMambaOptions options = make_options();
  options.token_flip_prob = 2.0;
  const StepDraws draws = draw_step(options, {3, 17, 0}, 8, false);
  CHECK_FALSE(draws.cls_position.has_value());
  CHECK_FALSE(draws.token_order.defined());
  CHECK_FALSE(draws.drop_path_masks.defined());
  CHECK_FALSE(draws.dropout_mask.defined());
  CHECK(draws.flip_tokens);
  options.token_flip_in_eval = false;
  CHECK_FALSE(draw_step(options, {3, 17, 0}, 8, false).flip_tokens);
}

TEST_CASE("with default options training draws drop-path masks alone") {
  const StepDraws draws = draw_step(toy_options(), {3, 17, 0}, 8, true);
  CHECK(draws.drop_path_masks.defined());
  CHECK_FALSE(draws.dropout_mask.defined());
  CHECK_FALSE(draws.token_order.defined());
  CHECK_FALSE(draws.cls_position.has_value());
  CHECK_FALSE(draws.flip_tokens);
}

}  // namespace
}  // namespace vim::models

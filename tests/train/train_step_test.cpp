#include "src/train/train_step.h"

#include <ATen/ATen.h>

#include <cmath>

#include "src/data/transform.h"
#include "src/ops/gradient_summary.h"
#include "tests/support/catch.h"
#include "tests/support/golden_file.h"
#include "tests/train/toy_run.h"

namespace vim::train {
namespace {

using optim::StoreBuffer;
using test::ToyBatch;

// One step over images 8..15, cut into micro-batches of the given size.
StepResult take_step(TrainStep& step, int64_t micro_batch, double lr = 1e-3) {
  step.begin(1);
  for (int64_t first = 8; first < 16; first += micro_batch) {
    step.forward_backward(ToyBatch(first, micro_batch).batch);
  }
  step.update(lr);
  return step.take_results().back();
}

at::Tensor flat(TrainStep& step, StoreBuffer buffer) { return step.store().flat(buffer).clone(); }

}  // namespace

TEST_CASE("gradients of a global batch do not depend on how it is cut, with mixing and masks on") {
  TrainStepOptions options = test::toy_step_options();
  for (const auto mode : {data::MixMode::kBatch, data::MixMode::kPair, data::MixMode::kElem}) {
    CAPTURE(mode);
    options.augment.mix_mode = mode;
    TrainStep whole(test::make_toy_model(3), options);
    TrainStep halves(test::make_toy_model(3), options);
    const StepResult one = take_step(whole, 8);
    const StepResult two = take_step(halves, 4);
    CHECK(one.non_finite.empty());
    CHECK(one.loss == Approx(two.loss).epsilon(1e-6));
    CHECK(one.grad_norm == Approx(two.grad_norm).epsilon(1e-5));
    // Sums over the batch are added in another order: a few float roundings.
    const at::Tensor expected = flat(whole, StoreBuffer::kGrad);
    CHECK(test::relative_error(flat(halves, StoreBuffer::kGrad), expected) < 1e-5);
  }
}

TEST_CASE("the same step twice gives the same bits, another step other draws") {
  TrainStep first(test::make_toy_model(3), test::toy_step_options());
  TrainStep second(test::make_toy_model(3), test::toy_step_options());
  take_step(first, 4);
  take_step(second, 4);
  CHECK(at::equal(flat(first, StoreBuffer::kValue), flat(second, StoreBuffer::kValue)));
  TrainStep third(test::make_toy_model(3), test::toy_step_options());
  third.begin(2);
  third.forward_backward(ToyBatch(8, 8).batch);
  third.update(1e-3);
  CHECK_FALSE(at::allclose(flat(first, StoreBuffer::kGrad), flat(third, StoreBuffer::kGrad)));
}

TEST_CASE("a micro-batch that cuts a mixing group is refused") {
  TrainStep step(test::make_toy_model(3), test::toy_step_options());
  step.begin(0);
  CHECK_THROWS_AS(step.forward_backward(ToyBatch(0, 2).batch), c10::Error);
}

TEST_CASE("a non-finite loss skips the step and leaves everything as it was") {
  TrainStep step(test::make_toy_model(3), test::toy_step_options());
  take_step(step, 8);
  step.store().view(StoreBuffer::kValue, "head.bias")[1] = NAN;
  const at::Tensor exp_avg = flat(step, StoreBuffer::kExpAvg);
  const at::Tensor ema = flat(step, StoreBuffer::kEma);
  const StepResult result = take_step(step, 4);
  CHECK(result.non_finite == "loss");
  CHECK(at::equal(flat(step, StoreBuffer::kExpAvg), exp_avg));
  CHECK(at::equal(flat(step, StoreBuffer::kEma), ema));
  CHECK(step.store().step_count().item<double>() == 1.0);
}

TEST_CASE("a non-finite gradient skips the step and is named") {
  TrainStep step(test::make_toy_model(3), test::toy_step_options());
  const at::Tensor before = flat(step, StoreBuffer::kValue);
  step.begin(1);
  step.forward_backward(ToyBatch(8, 8).batch);
  step.store().view(StoreBuffer::kGrad, "head.weight")[0][0] = INFINITY;
  step.update(1e-3);
  const StepResult result = step.take_results().back();
  CHECK(result.non_finite == "gradient of head.weight");
  CHECK(at::equal(flat(step, StoreBuffer::kValue), before));
  CHECK(at::equal(flat(step, StoreBuffer::kEma), before));
  CHECK(step.store().step_count().item<double>() == 0.0);
}

TEST_CASE("a step in bfloat16 stays near the one in float") {
  TrainStepOptions options = test::toy_step_options();
  TrainStep exact(test::make_toy_model(3), options);
  options.train.precision = Precision::kBFloat16;
  TrainStep rounded(test::make_toy_model(3), options);
  const StepResult expected = take_step(exact, 8);
  const StepResult actual = take_step(rounded, 8);
  // bfloat16 has 8 significant bits: 0.4 % a rounding, a few of them in a row.
  CHECK(actual.loss == Approx(expected.loss).epsilon(0.02));
  CHECK(actual.grad_norm == Approx(expected.grad_norm).epsilon(0.1));
  CHECK(actual.loss != expected.loss);
}

TEST_CASE("a step in float16 scales its loss, and its result stays near the one in float") {
  TrainStepOptions options = test::toy_step_options();
  TrainStep exact(test::make_toy_model(3), options);
  options.train.precision = Precision::kFloat16;
  TrainStep rounded(test::make_toy_model(3), options);
  const StepResult expected = take_step(exact, 8);
  const StepResult actual = take_step(rounded, 8);
  CHECK(actual.non_finite.empty());
  // float16 has 11 significant bits: 0.05 % a rounding, a few of them in a row.
  CHECK(actual.loss == Approx(expected.loss).epsilon(0.003));
  CHECK(actual.grad_norm == Approx(expected.grad_norm).epsilon(0.02));
  const at::Tensor scaled = flat(rounded, StoreBuffer::kGrad);
  CHECK(rounded.store().loss_scale().item<double>() == 65536.0);
  CHECK(rounded.store().scale_growth().item<int>() == 1);
}

TEST_CASE("an overflow in float16 halves the loss scale and skips the step") {
  TrainStepOptions options = test::toy_step_options();
  options.train.precision = Precision::kFloat16;
  for (const bool is_deferred : {false, true}) {
    CAPTURE(is_deferred);
    options.is_deferred = is_deferred;
    TrainStep step(test::make_toy_model(3), options);
    const at::Tensor before = flat(step, StoreBuffer::kValue);
    step.store().loss_scale().fill_(1e30);
    CHECK_FALSE(take_step(step, 8).non_finite.empty());
    CHECK(at::equal(flat(step, StoreBuffer::kValue), before));
    CHECK(at::equal(flat(step, StoreBuffer::kEma), before));
    CHECK(flat(step, StoreBuffer::kExpAvg).abs().max().item<double>() == 0.0);
    CHECK(step.store().loss_scale().item<double>() == Approx(5e29));
    CHECK(step.store().step_count().item<double>() == 0.0);
  }
}

// The way of a GPU, on the CPU: inputs brought to fixed places, results read later.
TrainStepOptions deferred_options() {
  TrainStepOptions options = test::toy_step_options();
  options.is_deferred = true;
  return options;
}

TEST_CASE("the step that doubles the loss scale divides by the one it had") {
  TrainStepOptions options = test::toy_step_options();
  options.train.precision = Precision::kFloat16;
  options.optim.clip_norm.reset();
  for (const bool is_deferred : {false, true}) {
    CAPTURE(is_deferred);
    options.is_deferred = is_deferred;
    TrainStep plain(test::make_toy_model(3), options);
    TrainStep doubling(test::make_toy_model(3), options);
    doubling.store().scale_growth().fill_(1999);
    CHECK(take_step(plain, 8).non_finite.empty());
    CHECK(take_step(doubling, 8).non_finite.empty());
    CHECK(plain.store().loss_scale().item<double>() == 65536.0);
    CHECK(doubling.store().loss_scale().item<double>() == 131072.0);
    CHECK(at::equal(flat(doubling, StoreBuffer::kExpAvg), flat(plain, StoreBuffer::kExpAvg)));
    CHECK(at::equal(flat(doubling, StoreBuffer::kExpAvgSq), flat(plain, StoreBuffer::kExpAvgSq)));
  }
}

TEST_CASE("a deferred step gives what a step gives") {
  TrainStep now(test::make_toy_model(3), test::toy_step_options());
  TrainStep later(test::make_toy_model(3), deferred_options());
  for (int i = 0; i < 3; ++i) {
    const StepResult expected = take_step(now, 4);
    const StepResult actual = take_step(later, 4);
    CHECK(actual.non_finite.empty());
    CHECK(actual.loss == Approx(expected.loss).epsilon(1e-6));
    CHECK(actual.grad_norm == Approx(expected.grad_norm).epsilon(1e-6));
    CHECK(actual.step == 1);
    CHECK(actual.lr == 1e-3);
  }
  // The learning rate is a float there, rounded to 6e-8.
  const at::Tensor expected = flat(now, StoreBuffer::kValue);
  CHECK(test::relative_error(flat(later, StoreBuffer::kValue), expected) < 1e-6);
  CHECK(test::relative_error(flat(later, StoreBuffer::kEma), flat(now, StoreBuffer::kEma)) < 1e-6);
}

TEST_CASE("every deferred step erases its own boxes, those of a step at once") {
  TrainStepOptions options = test::toy_step_options();
  options.augment.mix_prob = 0.0;
  options.augment.erase_mode = data::EraseMode::kRand;
  TrainStep now(test::make_toy_model(3), options);
  options.is_deferred = true;
  TrainStep later(test::make_toy_model(3), options);
  options.augment.erase_prob = 0.0;
  TrainStep whole(test::make_toy_model(3), options);
  for (int64_t number = 0; number < 3; ++number) {
    std::vector<double> losses;
    for (TrainStep* step : {&now, &later, &whole}) {
      step->begin(number);
      step->forward_backward(ToyBatch(0, 8).batch);
      step->update(0.0);  // the weights stay, only draws differ
      losses.push_back(step->take_results().back().loss);
    }
    CHECK(losses[1] == Approx(losses[0]).epsilon(1e-6));
    CHECK(losses[2] != losses[0]);
  }
}

TEST_CASE("results of deferred steps wait until they are taken, in order") {
  TrainStepOptions options = deferred_options();
  options.train.max_skipped_steps = 6;
  TrainStep step(test::make_toy_model(3), options);
  for (int64_t number = 0; number < 5; ++number) {
    step.begin(number);
    step.forward_backward(ToyBatch(8, 8).batch);
    step.update(1e-3 * static_cast<double>(number + 1));
    CHECK_FALSE(step.must_take_results());
  }
  const auto results = step.take_results();
  REQUIRE(results.size() == 5);
  for (int64_t number = 0; number < 5; ++number) {
    const StepResult& result = results[static_cast<size_t>(number)];
    CHECK(result.step == number);
    CHECK(result.lr == 1e-3 * static_cast<double>(number + 1));
    CHECK(result.loss > 0.0);
  }
  CHECK(results[0].loss != results[4].loss);
  CHECK(step.take_results().empty());
}

TEST_CASE("no more results wait than skipped steps may follow one another") {
  TrainStepOptions options = deferred_options();
  options.train.max_skipped_steps = 2;
  TrainStep step(test::make_toy_model(3), options);
  for (const bool must_take : {false, true}) {
    step.begin(1);
    step.forward_backward(ToyBatch(8, 8).batch);
    step.update(1e-3);
    CHECK(step.must_take_results() == must_take);
  }
  CHECK(step.take_results().size() == 2);
  CHECK_FALSE(step.must_take_results());
}

TEST_CASE("a deferred step with a non-finite number is skipped and names it") {
  TrainStep step(test::make_toy_model(3), deferred_options());
  CHECK(take_step(step, 4).non_finite.empty());
  const at::Tensor exp_avg = flat(step, StoreBuffer::kExpAvg);
  const at::Tensor ema = flat(step, StoreBuffer::kEma);
  step.store().view(StoreBuffer::kValue, "head.bias")[1] = NAN;
  CHECK(take_step(step, 4).non_finite == "loss");
  CHECK(at::equal(flat(step, StoreBuffer::kExpAvg), exp_avg));
  CHECK(at::equal(flat(step, StoreBuffer::kEma), ema));
  CHECK(step.store().step_count().item<double>() == 1.0);
}

TEST_CASE("a deferred step names the first parameter whose gradient is not finite") {
  TrainStep step(test::make_toy_model(3), deferred_options());
  optim::ParameterStore& store = step.store();
  store.zero_grad();
  const auto first_non_finite = [&store] {
    const at::Tensor loss = at::zeros({}, at::kDouble);
    const auto summary = ops::gradient_summary({store.flat(StoreBuffer::kGrad), loss});
    return summary.values[kernels::kFirstNonFinite].item<int64_t>();
  };
  CHECK(first_non_finite() == -1);
  store.view(StoreBuffer::kGrad, "head.weight")[2][1] = NAN;
  store.view(StoreBuffer::kGrad, "head.weight")[2][3] = INFINITY;
  const int64_t element = first_non_finite();
  CHECK(store.parameter_at(element) == "head.weight");
  CHECK(std::isnan(store.flat(StoreBuffer::kGrad)[element].item<float>()));
  store.view(StoreBuffer::kGrad, "norm_f.weight").fill_(3e38F);  // large, but finite
  CHECK(first_non_finite() == element);
}

TEST_CASE("recomputing layers changes no bit of a step") {
  TrainStepOptions options = test::toy_step_options();
  options.train.recompute = models::Recompute::kNone;
  TrainStep kept(test::make_toy_model(3), options);
  take_step(kept, 4);
  for (const auto recompute :
       {models::Recompute::kCheap, models::Recompute::kMixer, models::Recompute::kBlock}) {
    options.train.recompute = recompute;
    TrainStep computed(test::make_toy_model(3), options);
    take_step(computed, 4);
    CHECK(at::equal(flat(computed, StoreBuffer::kGrad), flat(kept, StoreBuffer::kGrad)));
  }
}

TEST_CASE("inputs that are repeated count as the same micro-batches brought again") {
  TrainStepOptions options = test::toy_step_options();
  options.is_deferred = true;
  TrainStep again(test::make_toy_model(3), options);
  TrainStep repeated(test::make_toy_model(3), options);
  take_step(again, 4);
  take_step(again, 4);
  take_step(repeated, 4);
  repeated.begin(1);
  repeated.repeat_inputs();
  repeated.update(1e-3);
  CHECK(at::equal(flat(again, StoreBuffer::kGrad), flat(repeated, StoreBuffer::kGrad)));
  CHECK(at::equal(flat(again, StoreBuffer::kValue), flat(repeated, StoreBuffer::kValue)));
  TrainStep on_host(test::make_toy_model(3), test::toy_step_options());
  take_step(on_host, 4);
  CHECK_THROWS_AS(on_host.repeat_inputs(), c10::Error);
}

}  // namespace vim::train

#include "src/train/train_step.h"

#include <ATen/ATen.h>

#include <cmath>

#include "src/data/transform.h"
#include "src/optim/clip.h"
#include "tests/support/catch.h"
#include "tests/support/golden_file.h"
#include "tests/train/toy_run.h"

namespace vim::train {
namespace {

using optim::StoreBuffer;

// The images first, first + 1, ... of a toy set, as a loader would give them.
struct ToyBatch {
  std::vector<uint8_t> pixels;
  data::LoadedBatch batch;

  ToyBatch(int64_t first, int64_t size) {
    const test::ToyImages images(64);
    for (int64_t index = first; index < first + size; ++index) {
      const data::Image image = images.read(index);
      pixels.insert(pixels.end(), image.pixels.begin(), image.pixels.end());
      batch.labels.push_back(images.label(index));
      batch.indices.push_back(index);
    }
    batch.images = pixels.data();
    batch.size = size;
    batch.first_position = first;
  }
};

// One step over images 8..15, cut into micro-batches of the given size.
StepResult take_step(TrainStep& step, int64_t micro_batch, double lr = 1e-3) {
  step.begin(1);
  for (int64_t first = 8; first < 16; first += micro_batch) {
    step.forward_backward(ToyBatch(first, micro_batch).batch);
  }
  return step.update(lr);
}

at::Tensor flat(TrainStep& step, StoreBuffer buffer) { return step.store().flat(buffer).clone(); }

}  // namespace

TEST_CASE("gradients of a global batch do not depend on how it is cut, with mixing and masks on") {
  TrainStep whole(test::make_toy_model(3), test::toy_step_options());
  TrainStep halves(test::make_toy_model(3), test::toy_step_options());
  const StepResult one = take_step(whole, 8);
  const StepResult two = take_step(halves, 4);
  CHECK(one.non_finite.empty());
  CHECK(one.loss == Approx(two.loss).epsilon(1e-6));
  CHECK(one.grad_norm == Approx(two.grad_norm).epsilon(1e-5));
  // Sums over the batch are added in another order: a few float roundings.
  const at::Tensor expected = flat(whole, StoreBuffer::kGrad);
  CHECK(test::relative_error(flat(halves, StoreBuffer::kGrad), expected) < 1e-5);
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
  const StepResult result = step.update(1e-3);
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

}  // namespace vim::train

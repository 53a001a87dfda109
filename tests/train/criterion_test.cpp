#include "src/train/criterion.h"

#include <ATen/ATen.h>

#include <cmath>

#include "src/core/error.h"
#include "src/train/losses.h"
#include "src/train/mix.h"
#include "src/train/train_step.h"
#include "tests/support/catch.h"
#include "tests/support/golden_file.h"
#include "tests/train/toy_run.h"

namespace vim::train {
namespace {

using optim::StoreBuffer;

std::shared_ptr<models::VisionMambaImpl> make_teacher() {
  models::VisionMamba teacher = test::make_toy_model(11);
  teacher->eval();
  return teacher.ptr();
}

// One for each loss that differs from the recipe's.
std::vector<TrainStepOptions> all_losses() {
  std::vector<TrainStepOptions> all(4, test::toy_step_options());
  all[0].loss.kind = LossKind::kBinary;
  all[1].loss.cosub = true;
  all[2].loss.distillation.kind = DistillationKind::kSoft;
  all[2].loss.distillation.tau = 2.0;
  all[2].teacher = make_teacher();
  all[3].loss.distillation.kind = DistillationKind::kHard;
  all[3].teacher = make_teacher();
  return all;
}

// One step over images 8..15, cut into micro-batches of the given size.
StepResult take_step(TrainStep& step, int64_t micro_batch) {
  step.begin(1);
  for (int64_t first = 8; first < 16; first += micro_batch) {
    step.forward_backward(test::ToyBatch(first, micro_batch).batch);
  }
  step.update(1e-3);
  return step.take_results().back();
}

at::Tensor gradient(TrainStep& step) { return step.store().flat(StoreBuffer::kGrad).clone(); }

}  // namespace

TEST_CASE("with every loss the gradient does not depend on how a global batch is cut") {
  for (const TrainStepOptions& options : all_losses()) {
    TrainStep whole(test::make_toy_model(3), options);
    TrainStep halves(test::make_toy_model(3), options);
    const StepResult one = take_step(whole, 8);
    const StepResult two = take_step(halves, 4);
    CHECK(one.non_finite.empty());
    CHECK(one.loss == Approx(two.loss).epsilon(1e-6));
    CHECK(test::relative_error(gradient(halves), gradient(whole)) < 1e-5);
  }
}

TEST_CASE("with every loss a deferred step gives what a step gives") {
  for (TrainStepOptions options : all_losses()) {
    TrainStep now(test::make_toy_model(3), options);
    options.is_deferred = true;
    TrainStep later(test::make_toy_model(3), options);
    const StepResult expected = take_step(now, 4);
    const StepResult actual = take_step(later, 4);
    CHECK(actual.loss == Approx(expected.loss).epsilon(1e-6));
    CHECK(test::relative_error(gradient(later), gradient(now)) < 1e-6);
  }
}

TEST_CASE("the two subnetworks of cosub drop layers independently of each other") {
  TrainStepOptions options = test::toy_step_options();
  options.augment.mix_prob = 0;
  options.loss.cosub = true;
  TrainStep both(test::make_toy_model(3), options);
  const double loss = take_step(both, 8).loss;
  // Equal subnetworks: both halves of the batch with the first one's draws.
  models::VisionMamba model = test::make_toy_model(3);
  model->train();
  const test::ToyBatch images(8, 8);
  const auto draws = models::draw_step(model->options(), {options.train.seed, 1, 0}, 8, true);
  const at::Tensor pixels = input_images(
      image_bytes(images.batch, model->options().img_size),
      {},
      input_options(model->options(), options.augment, Precision::kFloat32, at::kCPU));
  const at::Tensor logits = model->forward(pixels, draws);
  const at::Tensor targets =
      unmixed_targets(images.batch.labels, {test::kToyClasses, options.augment.label_smoothing});
  const double equal = cosub_loss(at::cat({logits, logits}), targets).item<double>();
  CHECK(std::abs(loss - equal) > 1e-4);
}

TEST_CASE("a teacher weighs as much as alpha says, and is not trained") {
  TrainStepOptions options = test::toy_step_options();
  options.augment.mix_prob = 0;
  options.teacher = make_teacher();
  const at::Tensor before = options.teacher->named_parameters()["head.weight"].clone();
  const auto loss_with = [&options](double alpha) {
    options.loss.distillation = {.kind = DistillationKind::kHard, .alpha = alpha};
    TrainStep step(test::make_toy_model(3), options);
    return take_step(step, 8).loss;
  };
  const double targets_only = loss_with(0.0);
  const double teacher_only = loss_with(1.0);
  CHECK(targets_only != Approx(teacher_only));
  CHECK(loss_with(0.25) == Approx(0.75 * targets_only + 0.25 * teacher_only).epsilon(1e-6));
  CHECK(at::equal(options.teacher->named_parameters()["head.weight"], before));
}

TEST_CASE("with a binary loss every class of a mix is positive, whatever the smoothing") {
  const data::GroupMix mix(2, {.pixel_lambda = 0.01, .target_lambda = 0.01});
  const at::Tensor targets = binarise(mixed_targets({2, 0}, {mix}, {4, 0.0}), 0.0);
  const at::Tensor expected = at::tensor({1.0F, 0.0F, 1.0F, 0.0F}).repeat({2, 1});
  CHECK(at::equal(targets, expected));
  CHECK(at::equal(
      binarise(unmixed_targets({2, 0}, {4, 0.0}), 0.0),
      at::one_hot(at::tensor({2, 0}, at::kLong), 4).to(at::kFloat)));
}

TEST_CASE("a loss that is NaN counts as zero where the official option says so") {
  LossOptions options;
  options.nan_to_num = true;
  const Criterion criterion(options, 0.1, nullptr);
  PassInputs inputs;
  inputs.labels = at::zeros({1}, at::kLong);
  const at::Tensor logits = at::full({1, 3}, NAN).requires_grad_(true);
  CHECK(criterion.loss(logits, inputs, {}).item<double>() == 0.0);
}

TEST_CASE("distillation without a teacher, or with cosub, is refused") {
  LossOptions options;
  options.distillation.kind = DistillationKind::kSoft;
  CHECK_THROWS_AS(Criterion(options, 0.1, nullptr), Error);
  options.cosub = true;
  CHECK_THROWS_AS(Criterion(options, 0.1, make_teacher()), Error);
}

}  // namespace vim::train

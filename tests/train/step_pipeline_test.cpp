#include "src/train/step_pipeline.h"

#include <ATen/ATen.h>

#include "tests/support/catch.h"
#include "tests/support/temp_folder.h"
#include "tests/support/thrown_text.h"
#include "tests/train/toy_run.h"

namespace vim::train {
namespace {

StepPipelineOptions options_of(const TrainerOptions& options) {
  return {options.step, options.schedule, options.data};
}

}  // namespace

TEST_CASE("the pipeline's steps are those of the trainer, bit for bit") {
  const test::TempFolder temp;
  const test::ToyImages images(44);
  TrainerOptions options = test::toy_trainer_options(temp.path());
  options.step.train.epochs = 2;
  Trainer trainer(test::make_toy_model(1), {&images, nullptr}, options);
  REQUIRE(trainer.run() == RunOutcome::kFinished);

  StepPipeline pipeline(test::make_toy_model(1), images, options_of(options));
  CHECK(pipeline.choose_micro_batch(0) == 4);
  CHECK(pipeline.num_micro_batches() == 2);
  REQUIRE(pipeline.steps_per_epoch() == 5);
  int64_t step = 0;
  for (int64_t epoch = 0; epoch < 2; ++epoch) {
    pipeline.start_epoch(epoch, 0);
    for (int64_t i = 0; i < 5; ++i) {
      pipeline.run_step(step++);
      pipeline.step().take_results();
    }
  }
  for (const auto buffer : {optim::StoreBuffer::kValue, optim::StoreBuffer::kEma}) {
    CHECK(at::equal(pipeline.step().store().flat(buffer), trainer.store().flat(buffer)));
  }
}

TEST_CASE("an epoch begun at a later step loads what an epoch from its start has there") {
  const test::TempFolder temp;
  const test::ToyImages images(44);
  const TrainerOptions options = test::toy_trainer_options(temp.path());
  StepPipeline pipeline(test::make_toy_model(1), images, options_of(options));
  pipeline.choose_micro_batch(0);
  pipeline.start_epoch(3, 0);
  for (int i = 0; i < 8; ++i) {
    pipeline.load();
  }
  const std::vector<int64_t> ninth = pipeline.load().indices;
  pipeline.start_epoch(3, 4);
  CHECK(pipeline.load().indices == ninth);
  pipeline.start_epoch(3, 5);
  CHECK_THROWS_AS(pipeline.load(), c10::Error);  // the epoch has five steps
}

TEST_CASE("a global batch larger than the data set is refused with the remedy") {
  const test::TempFolder temp;
  const test::ToyImages few(7);
  const TrainerOptions options = test::toy_trainer_options(temp.path());
  const std::string error =
      test::thrown_text([&] { StepPipeline(test::make_toy_model(1), few, options_of(options)); });
  CHECK(
      test::contains(error, "train.global_batch: 8 is more than the 7 training images; lower it"));
}

TEST_CASE("with repeated augmentation an epoch has each of its images three times in a row") {
  const test::TempFolder temp;
  const test::ToyImages images(700);
  TrainerOptions options = test::toy_trainer_options(temp.path());
  options.step.augment.repeated = true;
  StepPipeline pipeline(test::make_toy_model(1), images, options_of(options));
  pipeline.choose_micro_batch(0);
  CHECK(pipeline.steps_per_epoch() == 512 / 8);
  pipeline.start_epoch(2, 0);
  std::vector<int64_t> seen;
  for (int i = 0; i < 3; ++i) {
    const std::vector<int64_t>& indices = pipeline.load().indices;
    seen.insert(seen.end(), indices.begin(), indices.end());
  }
  CHECK(seen[0] == seen[2]);
  CHECK(seen[3] == seen[5]);
  CHECK(seen[0] != seen[3]);
}

TEST_CASE("repeated augmentation of fewer than 256 images is refused") {
  const test::TempFolder temp;
  const test::ToyImages few(255);
  TrainerOptions options = test::toy_trainer_options(temp.path());
  options.step.augment.repeated = true;
  const std::string error =
      test::thrown_text([&] { StepPipeline(test::make_toy_model(1), few, options_of(options)); });
  CHECK(test::contains(error, "augment.repeated: needs at least 256 training images"));
}

}  // namespace vim::train

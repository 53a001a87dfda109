#include "src/train/trainer.h"

#include <ATen/ATen.h>

#include <cmath>
#include <fstream>
#include <sstream>

#include "src/core/atomic_file.h"
#include "src/core/error.h"
#include "src/weights/checkpoint_file.h"
#include "tests/support/catch.h"
#include "tests/support/temp_folder.h"
#include "tests/support/thrown_text.h"
#include "tests/train/toy_run.h"

namespace vim::train {
namespace {

using optim::StoreBuffer;

const test::ToyImages& train_images() {
  static const test::ToyImages images(44);  // five steps of eight and a rest
  return images;
}

const test::ToyImages& val_images() {
  static const test::ToyImages images(10);
  return images;
}

Trainer make_trainer(TrainerOptions options, uint64_t model_seed = 1) {
  return Trainer(
      test::make_toy_model(model_seed), {&train_images(), &val_images()}, std::move(options));
}

// Says yes once it has been asked `count` times.
std::function<bool()> stop_after(int count) {
  return [count, asked = 0]() mutable { return ++asked > count; };
}

std::vector<std::string> read_lines(const std::filesystem::path& path) {
  std::vector<std::string> lines;
  std::ifstream stream(path);
  for (std::string line; std::getline(stream, line);) {
    lines.push_back(line);
  }
  return lines;
}

// metrics.csv without the columns that tell time.
std::vector<std::string> read_numbers(const std::filesystem::path& path) {
  std::vector<std::string> rows;
  for (const std::string& line : read_lines(path)) {
    std::istringstream cells(line);
    std::string row;
    std::string cell;
    for (int column = 0; column < 5 && std::getline(cells, cell, ','); ++column) {
      row += cell + ',';
    }
    rows.push_back(row);
  }
  return rows;
}

struct FinishedRun {
  TrainState state;
  std::vector<at::Tensor> buffers;
  std::vector<std::string> log;
  std::vector<std::string> metrics;
};

FinishedRun collect(Trainer& trainer, const std::filesystem::path& output) {
  FinishedRun run{trainer.state(), {}, read_lines(output / "log.txt"), {}};
  run.metrics = read_numbers(output / "metrics.csv");
  for (const StoreBuffer buffer :
       {StoreBuffer::kValue, StoreBuffer::kEma, StoreBuffer::kExpAvg, StoreBuffer::kExpAvgSq}) {
    run.buffers.push_back(trainer.store().flat(buffer).clone());
  }
  return run;
}

FinishedRun train_without_stop(const std::filesystem::path& output) {
  Trainer trainer = make_trainer(test::toy_trainer_options(output));
  REQUIRE(trainer.run() == RunOutcome::kFinished);
  return collect(trainer, output);
}

void check_equal(const FinishedRun& actual, const FinishedRun& expected) {
  CHECK(actual.state == expected.state);
  CHECK(actual.log == expected.log);
  CHECK(actual.metrics == expected.metrics);
  for (size_t i = 0; i < expected.buffers.size(); ++i) {
    CHECK(at::equal(actual.buffers[i], expected.buffers[i]));
  }
}

}  // namespace

TEST_CASE("a run of three epochs logs, evaluates, saves and learns") {
  const test::TempFolder temp;
  const FinishedRun run = train_without_stop(temp.path());
  CHECK(run.state.step == 15);
  CHECK(run.state.epoch == 3);
  CHECK(run.state.skipped_total == 0);
  REQUIRE(run.log.size() == 3);
  CHECK(run.log[2].find("\"ema_test_acc1\"") != std::string::npos);
  // Lines at every second step and at each epoch's end: 2 4 5 | 6 8 10 | 12 14 15.
  CHECK(run.metrics.size() == 1 + 9);
  CHECK(run.state.history[2].train_loss < run.state.history[0].train_loss);
  CHECK(std::filesystem::exists(temp / "config.yaml"));
  const auto checkpoints = weights::list_checkpoints(temp / "checkpoints");
  REQUIRE_FALSE(checkpoints.empty());
  CHECK(weights::checkpoint_step(checkpoints.front()) == 15);
  CHECK(checkpoints.size() <= 3);  // two and the best
}

TEST_CASE("evaluating the average or not changes nothing but the log") {
  const test::TempFolder temp;
  const FinishedRun expected = train_without_stop(temp / "both");
  TrainerOptions options = test::toy_trainer_options(temp / "one");
  options.step.ema.evaluate = false;
  Trainer trainer = make_trainer(options);
  REQUIRE(trainer.run() == RunOutcome::kFinished);
  const FinishedRun run = collect(trainer, temp / "one");
  CHECK(run.metrics == expected.metrics);
  for (size_t i = 0; i < expected.buffers.size(); ++i) {
    CHECK(at::equal(run.buffers[i], expected.buffers[i]));
  }
  for (size_t epoch = 0; epoch < 3; ++epoch) {
    CHECK(run.state.history[epoch].test == expected.state.history[epoch].test);
    CHECK_FALSE(run.state.history[epoch].ema_test);
    CHECK(expected.state.history[epoch].ema_test);
    CHECK(run.log[epoch].find("ema_test") == std::string::npos);
  }
}

TEST_CASE("the best checkpoint is that of the weights asked for") {
  const auto best_by = GENERATE(BestBy::kModel, BestBy::kEma);
  const test::TempFolder temp;
  TrainerOptions options = test::toy_trainer_options(temp.path());
  options.checkpoint.best_by = best_by;
  Trainer trainer = make_trainer(options);
  REQUIRE(trainer.run() == RunOutcome::kFinished);
  const TrainState& state = trainer.state();
  double best = -1.0;
  int64_t best_step = -1;
  for (const EpochRecord& record : state.history) {
    const auto& metrics = best_by == BestBy::kEma ? record.ema_test : record.test;
    REQUIRE(metrics);
    if (metrics->acc1 > best) {
      best = metrics->acc1;
      best_step = 5 * (record.epoch + 1);
    }
  }
  CHECK(state.best_acc1 == best);
  CHECK(state.best_step == best_step);
  CHECK(std::filesystem::exists(temp.path() / "checkpoints" / weights::checkpoint_name(best_step)));
}

TEST_CASE("the best by an average that is not evaluated is refused") {
  const test::TempFolder temp;
  TrainerOptions options = test::toy_trainer_options(temp.path());
  options.checkpoint.best_by = BestBy::kEma;
  options.step.ema.evaluate = false;
  CHECK(
      test::contains(test::thrown_text([&] { make_trainer(options); }), "checkpoint.best_by: ema"));
}

TEST_CASE("a run stopped anywhere and resumed equals one that was never stopped, bit for bit") {
  const test::TempFolder temp;
  const FinishedRun expected = train_without_stop(temp / "whole");
  // Each step and each evaluation batch asks once. 0: before the first step; 3: inside epoch 0; 5
  // and 8: evaluating trained and averaged weights after it; 12: inside epoch 1.
  for (const int stop : {0, 3, 5, 8, 12}) {
    INFO("stopped after " << stop);
    const std::filesystem::path output = temp / ("stopped" + std::to_string(stop));
    TrainerOptions options = test::toy_trainer_options(output);
    options.should_stop = stop_after(stop);
    {
      Trainer stopped = make_trainer(options);
      REQUIRE(stopped.run() == RunOutcome::kStopped);
    }
    options.should_stop = [] { return false; };
    options.resume = "auto";
    Trainer resumed = make_trainer(options, /*model_seed=*/77);
    REQUIRE(resumed.run() == RunOutcome::kFinished);
    check_equal(collect(resumed, output), expected);
  }
}

TEST_CASE("a run killed without warning resumes from its last checkpoint to the same end") {
  const test::TempFolder temp;
  const FinishedRun expected = train_without_stop(temp / "whole");
  TrainerOptions options = test::toy_trainer_options(temp / "killed");
  options.checkpoint.interval_steps = 3;
  options.should_stop = [asked = 0]() mutable -> bool {
    if (++asked == 5) {
      throw std::runtime_error("killed");  // step 4 is done, the checkpoint is of step 3
    }
    return false;
  };
  CHECK_THROWS_AS(make_trainer(options).run(), std::runtime_error);
  options.resume = "auto";
  options.should_stop = [] { return false; };
  Trainer resumed = make_trainer(options, 77);
  CHECK(resumed.state().step == 3);
  REQUIRE(resumed.run() == RunOutcome::kFinished);
  check_equal(collect(resumed, temp / "killed"), expected);
}

TEST_CASE("with the newest checkpoint damaged the one before is resumed, to the same end") {
  const test::TempFolder temp;
  const FinishedRun expected = train_without_stop(temp / "run");
  const auto checkpoints = weights::list_checkpoints(temp / "run/checkpoints");
  REQUIRE(checkpoints.size() >= 2);
  core::write_file_atomically(checkpoints[0], "not a checkpoint");
  TrainerOptions options = test::toy_trainer_options(temp / "run");
  options.resume = "auto";
  Trainer resumed = make_trainer(options, 77);
  CHECK(resumed.state().step == 10);
  REQUIRE(resumed.run() == RunOutcome::kFinished);
  check_equal(collect(resumed, temp / "run"), expected);
}

TEST_CASE("non-finite steps in a row end the run, with the last good checkpoint in place") {
  const test::TempFolder temp;
  TrainerOptions options = test::toy_trainer_options(temp.path());
  options.should_stop = stop_after(1);
  REQUIRE(make_trainer(options).run() == RunOutcome::kStopped);
  options.should_stop = [] { return false; };
  options.resume = "auto";
  Trainer trainer = make_trainer(options);
  const at::Tensor head = trainer.store().view(StoreBuffer::kValue, "head.bias");
  head.fill_(NAN);
  const std::string message = test::thrown_text([&] { trainer.run(); });
  CHECK(message.find("3 steps in a row") != std::string::npos);
  CHECK(message.find("loss") != std::string::npos);
  CHECK(trainer.store().step_count().item<double>() == 1.0);
  const auto checkpoints = weights::list_checkpoints(temp / "checkpoints");
  REQUIRE(checkpoints.size() == 1);
  CHECK(weights::checkpoint_step(weights::read_checkpoint(checkpoints[0]).name()) == 1);
}

TEST_CASE("a run whose results are fetched late ends as soon after skipped steps in a row") {
  const test::TempFolder temp;
  TrainerOptions options = test::toy_trainer_options(temp.path());
  options.step.is_deferred = true;
  options.step.train.log_interval = 100;
  Trainer trainer = make_trainer(options);
  trainer.store().view(StoreBuffer::kValue, "head.bias").fill_(NAN);
  const std::string message = test::thrown_text([&] { trainer.run(); });
  CHECK(message.find("3 steps in a row, up to step 2") != std::string::npos);
  CHECK(trainer.state().step == 3);  // of five in the epoch
}

TEST_CASE("a checkpoint of another batch size, seed or data set is refused") {
  const test::TempFolder temp;
  TrainerOptions options = test::toy_trainer_options(temp.path());
  options.should_stop = stop_after(2);
  REQUIRE(make_trainer(options).run() == RunOutcome::kStopped);
  options.resume = "auto";
  TrainerOptions other = options;
  other.step.train.seed = 6;
  CHECK(test::thrown_text([&] { make_trainer(other); }).find("train.seed 5") != std::string::npos);
  other = options;
  other.step.train.global_batch = 4;
  CHECK(test::thrown_text([&] {
          make_trainer(other);
        }).find("train.global_batch 8") != std::string::npos);
  const test::ToyImages more(45);
  CHECK_FALSE(test::thrown_text([&] {
                Trainer(test::make_toy_model(1), {&more, nullptr}, options);
              }).empty());
}

TEST_CASE("data that do not go with the model or the batch are refused") {
  const test::TempFolder temp;
  const test::ToyImages few(7);
  const TrainerOptions options = test::toy_trainer_options(temp.path());
  const auto error = test::thrown_text([&] {
    Trainer(test::make_toy_model(1), {&few, nullptr}, options);
  });
  CHECK(error.find("train.global_batch: 8") != std::string::npos);
}

TEST_CASE("without evaluation images only training is logged") {
  const test::TempFolder temp;
  TrainerOptions options = test::toy_trainer_options(temp.path());
  options.step.train.epochs = 1;
  Trainer trainer(test::make_toy_model(1), {&train_images(), nullptr}, options);
  REQUIRE(trainer.run() == RunOutcome::kFinished);
  CHECK(read_lines(temp / "log.txt").at(0).find("\"test_acc1\":null") != std::string::npos);
  CHECK(weights::list_checkpoints(temp / "checkpoints").size() == 1);
}

}  // namespace vim::train

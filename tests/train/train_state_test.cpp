#include "src/train/train_state.h"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "src/core/error.h"
#include "tests/support/catch.h"

namespace vim::train {
namespace {

TrainState make_state() {
  TrainState state;
  state.identity = {uint64_t{1} << 63, 1024, 128, 50000, {"cat", "dog \"x\"\n"}};
  state.step = 12345;
  state.epoch = 9;
  state.step_in_epoch = 45;
  state.micro_batch = 128;
  state.skipped_in_row = 1;
  state.skipped_total = 4;
  state.epoch_loss = {0.1 + 0.2, 3.0};
  state.epoch_lr = {1e-300, 1.0 / 3};
  state.interval_loss = {2.0 / 7, 1.0};
  state.history = {
      {0, 1e-6, 6.9, std::nullopt, std::nullopt, 7},
      {1, 1e-3, 5.5, EvalMetrics{4.25, 12.5, 30.0}, EvalMetrics{6.0, 1.5, 5.5}, 7}};
  state.best_acc1 = 12.5;
  state.best_step = 2502;
  return state;
}

}  // namespace

TEST_CASE("a training state comes back from its text bit for bit") {
  const TrainState state = make_state();
  CHECK(train_state_from_json(to_json(state), "test") == state);
}

TEST_CASE("the loss of an epoch without a step that counted is null in the log and in the state") {
  TrainState state = make_state();
  state.history[0].train_loss = std::numeric_limits<double>::quiet_NaN();
  CHECK(to_log_line(state.history[0]).starts_with(R"({"train_lr":1e-06,"train_loss":null,)"));
  const TrainState read = train_state_from_json(to_json(state), "test");
  CHECK(std::isnan(read.history[0].train_loss));
  CHECK(read.history[1] == state.history[1]);
}

TEST_CASE("a damaged state is a user's error that names the file") {
  for (const std::string text : {"", "[1]", "{\"step\": 3}"}) {
    std::string message;
    try {
      train_state_from_json(text, "step_00000001.safetensors");
    } catch (const Error& error) {
      message = error.what();
    }
    CHECK(message.starts_with("step_00000001.safetensors: "));
  }
}

TEST_CASE("a log line has the official keys in the official order, then those of the average") {
  const TrainState state = make_state();
  CHECK(
      to_log_line(state.history[1]) ==
      R"({"train_lr":0.001,"train_loss":5.5,"test_loss":4.25,"test_acc1":12.5,"test_acc5":30.0,)"
      R"("epoch":1,"n_parameters":7,"ema_test_loss":6.0,"ema_test_acc1":1.5,"ema_test_acc5":5.5})");
  CHECK(
      to_log_line(state.history[0]) ==
      R"({"train_lr":1e-06,"train_loss":6.9,"test_loss":null,"test_acc1":null,"test_acc5":null,)"
      R"("epoch":0,"n_parameters":7})");
}

}  // namespace vim::train

// JSON numbers are written in the shortest form that reads back to the same double.
#include "src/train/train_state.h"

#include <limits>
#include <nlohmann/json.hpp>

#include "src/core/error.h"

namespace vim::train {

// Found by argument-dependent lookup, as the JSON library asks for.
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(RunningMean, sum, weight)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(
    RunIdentity, seed, global_batch, mix_group, num_train_images, class_names)

void to_json(nlohmann::json& value, const EvalMetrics& metrics) {
  value = {{"loss", metrics.loss}, {"acc1", metrics.acc1}, {"acc5", metrics.acc5}};
}

namespace {

// JSON has no NaN: the library writes null for it.
double number_or_nan(const nlohmann::json& value) {
  return value.is_null() ? std::numeric_limits<double>::quiet_NaN() : value.get<double>();
}

}  // namespace

void from_json(const nlohmann::json& value, EvalMetrics& metrics) {
  metrics.loss = number_or_nan(value.at("loss"));
  value.at("acc1").get_to(metrics.acc1);
  value.at("acc5").get_to(metrics.acc5);
}

namespace {

using Json = nlohmann::ordered_json;

Json optional_to_json(const std::optional<EvalMetrics>& metrics) {
  return metrics ? Json(nlohmann::json(*metrics)) : Json(nullptr);
}

std::optional<EvalMetrics> optional_from_json(const nlohmann::json& value) {
  return value.is_null() ? std::nullopt : std::optional(value.get<EvalMetrics>());
}

nlohmann::json record_to_json(const EpochRecord& record) {
  return {
      {"epoch", record.epoch},
      {"train_lr", record.train_lr},
      {"train_loss", record.train_loss},
      {"test", optional_to_json(record.test)},
      {"ema_test", optional_to_json(record.ema_test)},
      {"n_parameters", record.n_parameters}};
}

EpochRecord record_from_json(const nlohmann::json& value) {
  EpochRecord record;
  value.at("epoch").get_to(record.epoch);
  value.at("train_lr").get_to(record.train_lr);
  record.train_loss = number_or_nan(value.at("train_loss"));
  record.test = optional_from_json(value.at("test"));
  record.ema_test = optional_from_json(value.at("ema_test"));
  value.at("n_parameters").get_to(record.n_parameters);
  return record;
}

TrainState read_state(const nlohmann::json& value) {
  TrainState state;
  value.at("identity").get_to(state.identity);
  value.at("step").get_to(state.step);
  value.at("epoch").get_to(state.epoch);
  value.at("step_in_epoch").get_to(state.step_in_epoch);
  value.at("micro_batch").get_to(state.micro_batch);
  value.at("skipped_in_row").get_to(state.skipped_in_row);
  value.at("skipped_total").get_to(state.skipped_total);
  value.at("epoch_loss").get_to(state.epoch_loss);
  value.at("epoch_lr").get_to(state.epoch_lr);
  value.at("interval_loss").get_to(state.interval_loss);
  for (const nlohmann::json& record : value.at("history")) {
    state.history.push_back(record_from_json(record));
  }
  value.at("best_acc1").get_to(state.best_acc1);
  value.at("best_step").get_to(state.best_step);
  state.unlagged_epoch = value.value("unlagged_epoch", state.unlagged_epoch);
  return state;
}

}  // namespace

std::string to_log_line(const EpochRecord& record) {
  const auto number = [](const std::optional<EvalMetrics>& metrics, double EvalMetrics::*field) {
    return metrics ? Json((*metrics).*field) : Json(nullptr);
  };
  Json line;
  line["train_lr"] = record.train_lr;
  line["train_loss"] = record.train_loss;
  line["test_loss"] = number(record.test, &EvalMetrics::loss);
  line["test_acc1"] = number(record.test, &EvalMetrics::acc1);
  line["test_acc5"] = number(record.test, &EvalMetrics::acc5);
  line["epoch"] = record.epoch;
  line["n_parameters"] = record.n_parameters;
  if (record.ema_test) {
    line["ema_test_loss"] = record.ema_test->loss;
    line["ema_test_acc1"] = record.ema_test->acc1;
    line["ema_test_acc5"] = record.ema_test->acc5;
  }
  return line.dump();
}

std::string to_json(const TrainState& state) {
  nlohmann::json history = nlohmann::json::array();
  for (const EpochRecord& record : state.history) {
    history.push_back(record_to_json(record));
  }
  const nlohmann::json value = {
      {"identity", state.identity},
      {"step", state.step},
      {"epoch", state.epoch},
      {"step_in_epoch", state.step_in_epoch},
      {"micro_batch", state.micro_batch},
      {"skipped_in_row", state.skipped_in_row},
      {"skipped_total", state.skipped_total},
      {"epoch_loss", state.epoch_loss},
      {"epoch_lr", state.epoch_lr},
      {"interval_loss", state.interval_loss},
      {"history", history},
      {"best_acc1", state.best_acc1},
      {"best_step", state.best_step},
      {"unlagged_epoch", state.unlagged_epoch}};
  return value.dump();
}

TrainState train_state_from_json(const std::string& text, const std::string& source) try {
  return read_state(nlohmann::json::parse(text));
} catch (const nlohmann::json::exception& error) {
  throw Error(
      source + ": its training state cannot be read (" + error.what() +
      "); use a checkpoint written by this version of vim_train");
}

}  // namespace vim::train

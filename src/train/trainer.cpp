// The loop first, then its four phases, then what surrounds them. Making a trainer, and resuming,
// is in trainer_setup.cpp.
#include "src/train/trainer.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <limits>

#include "src/core/error.h"
#include "src/cuda/profile_range.h"
#include "src/optim/ema.h"
#include "src/train/checkpoint.h"
#include "src/train/evaluator.h"

namespace vim::train {
namespace {

std::string describe(const char* name, const EvalMetrics& metrics) {
  return fmt::format(
      "{} top-1 {:.2f} % top-5 {:.2f} % loss {:.4f}",
      name,
      metrics.acc1,
      metrics.acc5,
      metrics.loss);
}

}  // namespace

RunOutcome Trainer::run() {
  const RunOutcome outcome = run_epochs();
  profiler_.finish();
  return outcome;
}

RunOutcome Trainer::run_epochs() {
  const int64_t epochs = train_options().epochs;
  while (state_.epoch < epochs) {
    pipeline_.start_epoch(state_.epoch, state_.step_in_epoch);
    meter_.restart(pipeline_.loader_stats());
    while (state_.step_in_epoch < pipeline_.steps_per_epoch()) {
      if (options_.should_stop()) {
        save_checkpoint();
        wait_for_checkpoint();
        return RunOutcome::kStopped;
      }
      profiler_.before_step(steps_left());
      pipeline_.run_step(state_.step);
      count_step();
      if (state_.step_in_epoch < pipeline_.steps_per_epoch() && is_checkpoint_due()) {
        save_checkpoint();
      }
    }
    if (!finish_epoch()) {
      wait_for_checkpoint();
      return RunOutcome::kStopped;
    }
  }
  wait_for_checkpoint();
  return RunOutcome::kFinished;
}

int64_t Trainer::steps_left() const {
  return train_options().epochs * pipeline_.steps_per_epoch() - state_.step;
}

// The device may be behind: results are fetched where they are needed.
void Trainer::count_step() {
  ++state_.step;
  ++state_.step_in_epoch;
  meter_.count(train_options().global_batch);
  const bool is_last = state_.step_in_epoch == pipeline_.steps_per_epoch();
  const bool is_logged = is_last || state_.step % train_options().log_interval == 0;
  if (is_logged || step().must_take_results()) {
    take_results();
  }
  if (is_logged) {
    log_interval();
  }
}

void Trainer::take_results() {
  for (const StepResult& result : step().take_results()) {
    record(result);
  }
}

void Trainer::record(const StepResult& result) {
  last_result_ = result;
  state_.epoch_lr.add(result.lr);
  if (result.non_finite.empty()) {
    state_.skipped_in_row = 0;
    state_.epoch_loss.add(result.loss);
    state_.interval_loss.add(result.loss);
  } else {
    count_skipped(result);
  }
}

void Trainer::count_skipped(const StepResult& result) {
  ++state_.skipped_total;
  ++state_.skipped_in_row;
  spdlog::warn(
      "step {}: {} is not finite; step skipped, {} in a row",
      result.step,
      result.non_finite,
      state_.skipped_in_row);
  if (state_.skipped_in_row >= train_options().max_skipped_steps) {
    throw Error(fmt::format(
        "train: {} steps in a row, up to step {}, were not finite (last: {}); lower optim.lr "
        "or set optim.clip_norm, and resume from the last checkpoint in {}",
        state_.skipped_in_row,
        result.step,
        result.non_finite,
        options_.output.string()));
  }
}

void Trainer::log_interval() {
  const StepResult& result = last_result_;
  const data::LoaderStats loader = pipeline_.loader_stats();
  const Speed speed = meter_.measure(loader);
  const bool is_skipped = state_.interval_loss.weight == 0.0;  // every step since the last line
  const double loss =
      is_skipped ? std::numeric_limits<double>::quiet_NaN() : state_.interval_loss.mean();
  folder_.append_step(
      {state_.step,
       state_.epoch,
       loss,
       result.lr,
       result.grad_norm,
       speed.images_per_second,
       speed.data_wait_share,
       state_.skipped_total});
  const auto images_left = static_cast<double>(steps_left() * train_options().global_batch);
  spdlog::info(
      "epoch {}/{} step {}/{}  loss {:.4f}  lr {:.3e}  grad norm {:.3f}  {:.1f} img/s  "
      "data wait {:.0f} % ({})  left {}",
      state_.epoch + 1,
      train_options().epochs,
      state_.step_in_epoch,
      pipeline_.steps_per_epoch(),
      loss,
      result.lr,
      result.grad_norm,
      speed.images_per_second,
      100 * speed.data_wait_share,
      format_stages(speed.stages),
      format_duration(images_left / std::max(speed.images_per_second, 1e-9)));
  state_.interval_loss = {};
  meter_.restart(loader);
}

// False if a stop was requested during the evaluation; the run is saved then.
bool Trainer::finish_epoch() {
  take_results();
  EpochRecord record;
  record.epoch = state_.epoch;
  record.train_lr = state_.epoch_lr.mean();
  record.train_loss = state_.epoch_loss.mean();
  record.n_parameters = store().num_trainable();
  const bool is_evaluated = wants_evaluation();
  if (is_evaluated) {
    save_checkpoint();  // with the evaluation still to come, should it not end
    if (!evaluate_epoch(record)) {
      return false;
    }
  }
  note_best(record);
  const bool is_last = state_.epoch + 1 == train_options().epochs;
  const bool is_due = is_evaluated || is_last || is_checkpoint_due();
  state_.history.push_back(record);
  ++state_.epoch;
  state_.step_in_epoch = 0;
  state_.epoch_loss = {};
  state_.epoch_lr = {};
  folder_.append_epoch(record);
  log_epoch(record);
  if (is_due) {
    save_checkpoint();
  }
  return true;
}

void Trainer::note_best(const EpochRecord& record) {
  const bool is_by_ema = options_.checkpoint.best_by == BestBy::kEma;
  const std::optional<EvalMetrics>& metrics = is_by_ema ? record.ema_test : record.test;
  if (metrics && metrics->acc1 > state_.best_acc1) {
    state_.best_acc1 = metrics->acc1;
    state_.best_step = state_.step;
  }
}

bool Trainer::wants_evaluation() const {
  const int64_t interval = train_options().eval_interval;
  const bool is_last = state_.epoch + 1 == train_options().epochs;
  const bool is_due = interval > 0 && (state_.epoch + 1) % interval == 0;
  return data_.val != nullptr && (is_last || is_due);
}

bool Trainer::evaluate_epoch(EpochRecord& record) {
  const cuda::ProfileRange range("evaluation");
  EvaluatorOptions options;
  options.batch = train_options().eval_batch > 0 ? train_options().eval_batch : state_.micro_batch;
  options.precision = train_options().precision;
  options.seed = train_options().seed;
  options.data = options_.data;
  options.augment = options_.step.augment;
  options.unweighted_loss = train_options().unweighted_test_loss;
  const auto measure = [&]() -> std::optional<EvalMetrics> {
    const auto result = evaluate(step().model(), *data_.val, options, options_.should_stop);
    return result ? std::optional(result->metrics) : std::nullopt;
  };
  record.test = measure();
  if (record.test && store().has(optim::StoreBuffer::kEma) && options_.step.ema.evaluate) {
    const optim::AveragedWeights averaged(store());
    record.ema_test = measure();
    return record.ema_test.has_value();
  }
  return record.test.has_value();
}

void Trainer::log_epoch(const EpochRecord& record) const {
  std::string text = fmt::format(
      "epoch {}/{} done: train loss {:.4f}",
      state_.epoch,
      train_options().epochs,
      record.train_loss);
  if (record.test) {
    text += "; " + describe("test", *record.test);
  }
  if (record.ema_test) {
    text += "; " + describe("ema", *record.ema_test);
  }
  if (record.test) {
    text += fmt::format("; best top-1 {:.2f} % at step {}", state_.best_acc1, state_.best_step);
  }
  spdlog::info("{}", text);
}

// Never while steps are being skipped: the weights may be spoilt, and saving them would push out
// the last good ones.
bool Trainer::is_checkpoint_due() {
  const int64_t interval = options_.checkpoint.interval_steps;
  const bool is_due = interval > 0 ? state_.step % interval == 0
                                   : state_.step_in_epoch == pipeline_.steps_per_epoch();
  if (!is_due) {
    return false;
  }
  take_results();
  return state_.skipped_in_row == 0;
}

// The run goes on as soon as its tensors are copied.
void Trainer::save_checkpoint() {
  const cuda::ProfileRange range("checkpoint");
  take_results();
  wait_for_checkpoint();
  auto snapshot = std::make_shared<const CheckpointSnapshot>(
      take_snapshot(*step().model(), store(), state_, options_.config_yaml));
  pending_checkpoint_ = std::async(
      std::launch::async,
      [snapshot,
       folder = folder_,
       step = state_.step,
       best = state_.best_step,
       keep = options_.checkpoint.keep] {
        write_snapshot(folder.checkpoint_path(step), *snapshot);
        folder.prune_checkpoints(step, best, keep);
      });
}

// Rethrows what went wrong while writing.
void Trainer::wait_for_checkpoint() {
  if (pending_checkpoint_.valid()) {
    pending_checkpoint_.get();
  }
}

}  // namespace vim::train

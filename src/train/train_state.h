// Where a run stands: everything a checkpoint holds beside tensors.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "src/train/metrics.h"

namespace vim::train {

/// Result of one pass over the evaluation images. Accuracies in percent.
struct EvalMetrics {
  double loss = 0.0;
  double acc1 = 0.0;
  double acc5 = 0.0;

  bool operator==(const EvalMetrics&) const = default;
};

/// One line of log.txt.
struct EpochRecord {
  int64_t epoch = 0;
  double train_lr = 0.0;                // mean over the epoch's steps
  double train_loss = 0.0;              // mean over the steps not skipped; NaN: all were
  std::optional<EvalMetrics> test;      // of the trained weights
  std::optional<EvalMetrics> ema_test;  // of their average
  int64_t n_parameters = 0;

  bool operator==(const EpochRecord&) const = default;
};

/// The choices that fix what step and position mean; a checkpoint made with others cannot be
/// continued.
struct RunIdentity {
  uint64_t seed = 0;
  int64_t global_batch = 0;
  int64_t mix_group = 0;
  int64_t num_train_images = 0;
  std::vector<std::string> class_names;

  bool operator==(const RunIdentity&) const = default;
};

struct TrainState {
  RunIdentity identity;
  int64_t step = 0;           // training steps begun and ended, skipped ones included
  int64_t epoch = 0;          // the epoch under way
  int64_t step_in_epoch = 0;  // its steps done; all of them: only the evaluation is missing
  int64_t micro_batch = 0;
  int64_t skipped_in_row = 0;
  int64_t skipped_total = 0;
  RunningMean epoch_loss;
  RunningMean epoch_lr;
  RunningMean interval_loss;  // since the last line of metrics.csv
  std::vector<EpochRecord> history;
  double best_acc1 = -1.0;
  int64_t unlagged_epoch = -1;  // see ScheduleOptions::resume_lag; -1: none
  int64_t best_step = -1;       // names the best checkpoint; -1: none yet

  bool operator==(const TrainState&) const = default;
};

/// The line of log.txt: official keys in the official order, then those of the average. null stands
/// where there is no number: a train_loss whose steps were all skipped, the loss of a diverged
/// model, the figures of an evaluation that was not due.
std::string to_log_line(const EpochRecord& record);

std::string to_json(const TrainState& state);

/// Reads to_json's text back, every number bit for bit. Throws vim::Error, naming `source`, for a
/// text of another form.
TrainState train_state_from_json(const std::string& text, const std::string& source);

}  // namespace vim::train

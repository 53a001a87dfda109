// All that a training step passes through: sampler, loader, upload, step and optimizer. What
// surrounds it in a run (logs, evaluation, checkpoints) is the trainer's.
#pragma once

#include <cstdint>
#include <memory>

#include "src/data/loader.h"
#include "src/data/source/dataset.h"
#include "src/data/transform.h"
#include "src/optim/optim_options.h"
#include "src/train/train_step.h"

namespace vim::train {

struct StepPipelineOptions {
  TrainStepOptions step;
  optim::ScheduleOptions schedule;
  data::DataOptions data;
};

class StepPipeline {
 public:
  /// Takes over the initialised model; `images` outlive the pipeline. Throws vim::Error for options
  /// that do not go with the model or the images.
  StepPipeline(models::VisionMamba model, const data::Dataset& images, StepPipelineOptions options);

  /// Makes the loader, for micro-batches of the configured size or, where that is auto, of
  /// `earlier` images (0: as many as memory allows). Returns the size. Call once, before any epoch.
  int64_t choose_micro_batch(int64_t earlier);

  /// The schedule's lag is left out in this epoch; -1: in none. Call before its first step.
  void set_unlagged_epoch(int64_t epoch) { unlagged_epoch_ = epoch; }

  /// Begins an epoch's order at one of its steps; step steps_per_epoch() loads nothing.
  void start_epoch(int64_t epoch, int64_t step_in_epoch);

  /// Loads a global batch and does step `step` of the run with it. Not more than the epoch's steps.
  void run_step(int64_t step);

  /// The next micro-batch, valid until the next call.
  const data::LoadedBatch& load();

  int64_t steps_per_epoch() const { return steps_per_epoch_; }
  int64_t num_micro_batches() const;
  double learning_rate(int64_t step) const;
  data::LoaderStats loader_stats() const { return loader_->stats(); }
  TrainStep& step() { return step_; }
  const TrainStep& step() const { return step_; }

 private:
  const TrainOptions& train_options() const { return options_.step.train; }
  void check_data() const;
  std::vector<int64_t> epoch_order(int64_t epoch) const;

  StepPipelineOptions options_;
  const data::Dataset& images_;
  TrainStep step_;
  data::TrainTransform transform_;
  int64_t steps_per_epoch_;
  int64_t micro_batch_ = 0;
  int64_t unlagged_epoch_ = -1;
  std::unique_ptr<data::Loader> loader_;
};

}  // namespace vim::train

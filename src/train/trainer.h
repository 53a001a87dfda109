// The training run: epochs of steps, evaluation, checkpoints and logs. Start reading at
// Trainer::run.
#pragma once

#include <filesystem>
#include <functional>
#include <future>
#include <string>
#include <vector>

#include "src/core/stop_request.h"
#include "src/data/source/dataset.h"
#include "src/train/run_folder.h"
#include "src/train/speed_meter.h"
#include "src/train/step_pipeline.h"
#include "src/train/step_profiler.h"
#include "src/train/train_state.h"

namespace vim::train {

struct TrainerOptions {
  TrainStepOptions step;  // train, optim, ema and augment options
  optim::ScheduleOptions schedule;
  CheckpointOptions checkpoint;
  data::DataOptions data;  // workers, prefetch and what to do about bad images
  std::filesystem::path output;
  std::string resume = "none";  // none, auto or a path; see RunFolder::find_checkpoint
  ProfileOptions profile;
  std::string config_yaml;  // the effective configuration, for the record
  std::function<bool()> should_stop = core::stop_requested;
};

/// The images to learn from and to test on; both outlive the trainer. No `val`: no evaluation.
struct TrainingData {
  const data::Dataset* train = nullptr;
  const data::Dataset* val = nullptr;
};

/// A stopped run has saved a checkpoint and can be resumed: exit with core::kExitResumable.
enum class RunOutcome { kFinished, kStopped };

class Trainer {
 public:
  /// Takes over the initialised model, resumes from a checkpoint as options.resume says, and
  /// prepares the run folder. Throws vim::Error for options that do not go with the model, the data
  /// or the checkpoint.
  Trainer(models::VisionMamba model, const TrainingData& data, TrainerOptions options);

  /// Trains until the last epoch is done or a stop is requested. A resumed run computes the same
  /// bits as one that was never interrupted, given the same thread count and libraries. Throws
  /// vim::Error after max_skipped_steps non-finite steps in a row, or if a file cannot be read or
  /// written.
  RunOutcome run();

  const TrainState& state() const { return state_; }
  optim::ParameterStore& store() { return step().store(); }

 private:
  const TrainOptions& train_options() const { return options_.step.train; }
  TrainStep& step() { return pipeline_.step(); }
  void check_options() const;
  RunOutcome run_epochs();
  int64_t steps_left() const;
  void resume();
  std::string restore();
  std::string restore_from_official();

  void count_step();
  void take_results();
  void record(const StepResult& result);
  void count_skipped(const StepResult& result);
  void log_interval();

  bool finish_epoch();
  void note_best(const EpochRecord& record);
  bool wants_evaluation() const;
  bool evaluate_epoch(EpochRecord& record);
  void log_epoch(const EpochRecord& record) const;

  bool is_checkpoint_due();
  void save_checkpoint();
  void wait_for_checkpoint();

  TrainerOptions options_;
  TrainingData data_;
  StepProfiler profiler_;
  RunFolder folder_;
  StepPipeline pipeline_;
  TrainState state_;
  SpeedMeter meter_;
  StepResult last_result_;
  std::future<void> pending_checkpoint_;
};

}  // namespace vim::train

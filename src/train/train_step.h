// One optimizer step: gradients of the mean loss over the global batch, summed up from
// micro-batches, then clipping, AdamW and the weight average, or nothing at all if a number is not
// finite. On a GPU the whole step is one CUDA graph where that is possible, and waits for nothing:
// its results are fetched later.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "src/cuda/step_graph.h"
#include "src/cuda/uploader.h"
#include "src/data/data_options.h"
#include "src/data/loader.h"
#include "src/models/vision_mamba.h"
#include "src/optim/adamw.h"
#include "src/optim/optim_options.h"
#include "src/optim/parameter_store.h"
#include "src/train/batch_input.h"
#include "src/train/criterion.h"
#include "src/train/train_options.h"

namespace vim::train {

struct TrainStepOptions {
  TrainOptions train;
  optim::AdamWOptions optim;
  optim::EmaOptions ema;
  data::AugmentOptions augment;
  LossOptions loss = {};
  std::shared_ptr<models::VisionMambaImpl> teacher = nullptr;  // for distillation; see Criterion
  bool is_deferred = false;  // work as on a GPU, whatever the device; for tests
};

struct StepResult {
  int64_t step = 0;
  double lr = 0.0;
  double loss = 0.0;       // mean over the global batch
  double grad_norm = 0.0;  // before clipping
  std::string non_finite;  // the first number found not finite, by name; empty: step applied
};

class TrainStep {
 public:
  /// Moves the model's parameters, on the device they are on, into a store of its own, with a
  /// weight average if ema.enabled, a low-precision copy if the precision asks for one, and a loss
  /// scale for fp16. Throws vim::Error for options that contradict each other.
  TrainStep(models::VisionMamba model, TrainStepOptions options);
  TrainStep(const TrainStep&) = delete;
  TrainStep& operator=(const TrainStep&) = delete;

  /// Starts step `step` of the run with zero gradients.
  void begin(int64_t step);

  /// Adds a micro-batch's share of the gradient; on a GPU it is only brought there, and update()
  /// does the rest, and number and size of micro-batches are the same in all steps. The batch holds
  /// whole mixing groups; its positions count from the beginning of
  /// the epoch. Draws depend on (seed, step, place in the global batch) alone, so the sum of all
  /// micro-batches does not depend, but for rounding, on their size.
  void forward_backward(const data::LoadedBatch& batch);

  /// In place of forward_backward on a GPU: takes the inputs that the step before left there, with
  /// its draws, so that nothing is uploaded. Throws c10::Error elsewhere, and without such a step.
  void repeat_inputs();

  /// Ends the step with the given learning rate. On a non-finite loss or gradient norm, parameters,
  /// moments, average and step count stay as they are.
  void update(double lr);

  /// The results of all steps since the last call, in order. Waits for the device.
  std::vector<StepResult> take_results();

  /// Whether take_results() must be called before the next step: always on the CPU; on a GPU where
  /// max_skipped_steps results wait, or as many as it keeps.
  bool must_take_results() const;

  models::VisionMamba& model() { return model_; }
  const models::VisionMambaOptions& model_options() const { return model_->options(); }
  optim::ParameterStore& store() { return store_; }
  int64_t mix_group() const { return mix_group_; }
  at::Device device() const { return device_; }

  /// Why the step is not run as a CUDA graph; empty while it is, or still may be.
  std::string graph_obstacle() const;

 private:
  PassInputs make_inputs(const data::LoadedBatch& batch) const;
  models::StepDraws make_draws(const models::DrawKey& key, int64_t batch) const;
  at::Tensor compute_loss(const PassInputs& inputs);
  void backward(const at::Tensor& loss, bool is_first);
  at::Tensor scaled_norm() const;
  std::optional<double> ema_decay() const;

  void stage(const PassInputs& host);
  void run_on_device();
  void update_on_device();
  void make_graph();
  void append_result(const at::Tensor& summary);
  StepResult read_result(const StepResult& pending, const at::Tensor& row) const;

  TrainStepOptions options_;
  models::VisionMamba model_;
  Criterion criterion_;
  optim::ParameterStore store_;
  int64_t mix_group_;
  at::Device device_;
  bool is_deferred_;  // a step's work is done by update(), its results are read later
  at::Tensor gradient_mode_;
  int64_t step_ = 0;
  size_t num_passes_ = 0;  // of this step
  double loss_ = 0.0;
  std::vector<StepResult> results_;  // deferred: without the numbers, which are in device_results_

  // Deferred steps only: what a captured step reads and writes.
  std::vector<PassInputs> passes_;
  at::Tensor lr_;
  at::Tensor loss_sum_;
  at::Tensor device_results_;
  cuda::Uploader input_uploader_;
  cuda::Uploader lr_uploader_;
  std::unique_ptr<cuda::StepGraph> graph_;
};

}  // namespace vim::train

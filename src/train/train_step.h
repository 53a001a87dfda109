// One optimizer step: gradients of the mean loss over the global batch, summed up from
// micro-batches, then clipping, AdamW and the weight average, or nothing at all if a number is not
// finite.
#pragma once

#include <cstdint>
#include <string>

#include "src/data/data_options.h"
#include "src/data/loader.h"
#include "src/models/vision_mamba.h"
#include "src/optim/optim_options.h"
#include "src/optim/parameter_store.h"
#include "src/train/train_options.h"

namespace vim::train {

struct TrainStepOptions {
  TrainOptions train;
  optim::AdamWOptions optim;
  optim::EmaOptions ema;
  data::AugmentOptions augment;
};

struct StepResult {
  double loss = 0.0;       // mean over the global batch
  double grad_norm = 0.0;  // before clipping
  std::string non_finite;  // the first number found not finite, by name; empty: step applied
};

class TrainStep {
 public:
  /// Moves the model's parameters into a store of its own, with a weight average if ema.enabled and
  /// a low-precision copy if the precision asks for one. Throws vim::Error for options that
  /// contradict each other.
  TrainStep(models::VisionMamba model, TrainStepOptions options);
  TrainStep(const TrainStep&) = delete;
  TrainStep& operator=(const TrainStep&) = delete;

  /// Starts step `step` of the run with zero gradients.
  void begin(int64_t step);

  /// Adds a micro-batch's share of the gradient. The batch holds whole mixing groups; its positions
  /// count from the beginning of the epoch. Draws depend on (seed, step, place in the global batch)
  /// alone, so the sum of all micro-batches does not depend, but for rounding, on their size.
  void forward_backward(const data::LoadedBatch& batch);

  /// Ends the step with the given learning rate. On a non-finite loss or gradient norm, parameters,
  /// moments, average and step count stay as they are.
  StepResult update(double lr);

  models::VisionMamba& model() { return model_; }
  const models::VisionMambaOptions& model_options() const { return model_->options(); }
  optim::ParameterStore& store() { return store_; }
  int64_t mix_group() const { return mix_group_; }

 private:
  at::Tensor compute_loss(const data::LoadedBatch& batch, int64_t first_position);

  TrainStepOptions options_;
  models::VisionMamba model_;
  optim::ParameterStore store_;
  int64_t mix_group_;
  int64_t step_ = 0;
  double loss_ = 0.0;
};

}  // namespace vim::train

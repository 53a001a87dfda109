// A few training steps, and everything that they leave.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "src/models/vision_mamba.h"
#include "src/train/stored_tensors.h"
#include "src/train/train_step.h"

namespace vim::test {

/// What is run. With every random choice of training that a graph allows: drop-path, dropout, mixup
/// and CutMix; with clipping and the weight average.
struct StepRun {
  std::string name;
  models::VisionMambaOptions model;
  train::TrainStepOptions options;
  uint64_t model_seed = 3;
  int64_t num_steps = 7;  // three launch by launch, then captured and replayed
  double lr = 2e-3;
  c10::Device device{c10::DeviceType::CUDA, 0};

  /// Called in front of each step's work, after its inputs are on their way.
  std::function<void(int64_t step, train::TrainStep&)> before_update;
};

/// The toy model on batches of 8 in two micro-batches: sizes for which the kernels have no form of
/// their own.
StepRun make_small_run();

/// Four layers of 64 channels with 16 states on batches of 160 at once: the kernels' forms for the
/// published models, with enough rows that a lane holds a whole channel.
StepRun make_wide_run();

/// Both, in every precision.
std::vector<StepRun> make_all_runs();

/// Weights, average, moments, step count and loss scale by checkpoint name, gradients and shadow,
/// on the CPU; and the results of all steps.
struct StepRunEnd {
  train::NamedTensors tensors;
  std::vector<train::StepResult> results;
  std::string graph_obstacle;

  const at::Tensor& at(const std::string& name) const;
};

/// What a step has left so far.
train::NamedTensors copy_tensors(train::TrainStep& step);

/// Does step number `number` of the run and does not wait for it.
void do_step(const StepRun& run, train::TrainStep& step, int64_t number);

/// A TrainStep as the run asks for, on its device.
std::unique_ptr<train::TrainStep> make_step(const StepRun& run);

StepRunEnd run_steps(const StepRun& run);

/// Checks that both are finite and equal bit for bit, steps' losses and norms included.
void check_same_bits(const StepRunEnd& actual, const StepRunEnd& expected);
void check_same_bits(const train::NamedTensors& actual, const train::NamedTensors& expected);

}  // namespace vim::test

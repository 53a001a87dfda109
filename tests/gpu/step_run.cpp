#include "tests/gpu/step_run.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include "src/train/checkpoint.h"
#include "tests/gpu/gpu.h"
#include "tests/support/catch.h"
#include "tests/train/toy_run.h"

namespace vim::test {

using optim::StoreBuffer;
using train::TrainStep;

StepRun make_small_run() {
  StepRun run;
  run.name = "small";
  run.model = toy_model_options();
  run.options = toy_step_options();
  return run;
}

StepRun make_wide_run() {
  StepRun run = make_small_run();
  run.name = "wide";
  run.model.patch_size = run.model.stride = 4;  // 16 patches
  run.model.depth = 4;
  run.model.mixer.embed_dim = 64;
  run.model.mixer.d_state = 16;
  run.options.train.global_batch = 160;
  run.options.train.micro_batch = 160;
  return run;
}

std::vector<StepRun> make_all_runs() {
  std::vector<StepRun> runs;
  for (StepRun run : {make_small_run(), make_wide_run()}) {
    const std::string name = run.name;
    for (const train::Precision precision : kPrecisions) {
      run.name = name + " in " + name_of(precision);
      run.options.train.precision = precision;
      runs.push_back(run);
    }
  }
  return runs;
}

const at::Tensor& StepRunEnd::at(const std::string& name) const {
  for (const auto& [key, tensor] : tensors) {
    if (key == name) {
      return tensor;
    }
  }
  FAIL("a step leaves no " << name);
  return tensors.front().second;
}

train::NamedTensors copy_tensors(TrainStep& step) {
  train::NamedTensors copies;
  for (const auto& [name, tensor] : train::checkpoint_tensors(*step.model(), step.store())) {
    copies.emplace_back(name, tensor.to(at::kCPU, /*non_blocking=*/false, /*copy=*/true));
  }
  copies.emplace_back("gradients", step.store().flat(StoreBuffer::kGrad).to(at::kCPU).clone());
  if (step.store().has(StoreBuffer::kShadow)) {
    copies.emplace_back("shadow", step.store().flat(StoreBuffer::kShadow).to(at::kCPU).clone());
  }
  return copies;
}

std::unique_ptr<TrainStep> make_step(const StepRun& run) {
  models::VisionMamba model(run.model);
  at::Generator generator = at::detail::createCPUGenerator(run.model_seed);
  model->reset_parameters(generator);
  model->to(run.device);
  return std::make_unique<TrainStep>(model, run.options);
}

void do_step(const StepRun& run, TrainStep& step, int64_t number) {
  const int64_t global = run.options.train.global_batch;
  const int64_t micro = run.options.train.micro_batch;
  step.begin(number);
  for (int64_t first = number * global; first < (number + 1) * global; first += micro) {
    step.forward_backward(ToyBatch(first, micro).batch);
  }
  if (run.before_update) {
    run.before_update(number, step);
  }
  step.update(run.lr);
}

StepRunEnd run_steps(const StepRun& run) {
  const auto step = make_step(run);
  for (int64_t number = 0; number < run.num_steps; ++number) {
    do_step(run, *step, number);
  }
  return {copy_tensors(*step), step->take_results(), step->graph_obstacle()};
}

void check_same_bits(const train::NamedTensors& actual, const train::NamedTensors& expected) {
  REQUIRE(actual.size() == expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    const auto& [name, tensor] = expected[i];
    INFO(name);
    CHECK(at::isfinite(tensor).all().item<bool>());
    CHECK(at::equal(actual[i].second, tensor));
  }
}

void check_same_bits(const StepRunEnd& actual, const StepRunEnd& expected) {
  check_same_bits(actual.tensors, expected.tensors);
  REQUIRE(actual.results.size() == expected.results.size());
  for (size_t i = 0; i < expected.results.size(); ++i) {
    INFO("step " << i);
    CHECK(expected.results[i].non_finite.empty());
    CHECK(actual.results[i].loss == expected.results[i].loss);
    CHECK(actual.results[i].grad_norm == expected.results[i].grad_norm);
  }
}

}  // namespace vim::test

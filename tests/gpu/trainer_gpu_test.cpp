// Whole runs on a GPU: stopped, saved and resumed.
#include <ATen/ATen.h>

#include "src/cuda/device.h"
#include "src/train/checkpoint.h"
#include "src/train/trainer.h"
#include "tests/gpu/gpu.h"
#include "tests/gpu/step_run.h"
#include "tests/support/catch.h"
#include "tests/support/temp_folder.h"
#include "tests/train/toy_run.h"

namespace vim::test {
namespace {

using train::RunOutcome;
using train::Trainer;
using train::TrainerOptions;

constexpr int64_t kTrainImages = 44;  // five steps of eight and a rest
constexpr int64_t kValImages = 10;

std::unique_ptr<Trainer> make_trainer(const TrainerOptions& options, uint64_t model_seed) {
  static const ToyImages train_images(kTrainImages);
  static const ToyImages val_images(kValImages);
  models::VisionMamba model = make_toy_model(model_seed);
  model->to(kGpu);
  return std::make_unique<Trainer>(model, train::TrainingData{&train_images, &val_images}, options);
}

// Every buffer of the run, on the CPU.
train::NamedTensors buffers_of(Trainer& trainer) {
  train::NamedTensors copies;
  for (const auto buffer :
       {optim::StoreBuffer::kValue,
        optim::StoreBuffer::kEma,
        optim::StoreBuffer::kExpAvg,
        optim::StoreBuffer::kExpAvgSq}) {
    const std::string name = "buffer " + std::to_string(static_cast<int>(buffer));
    copies.emplace_back(name, trainer.store().flat(buffer).to(at::kCPU).clone());
  }
  copies.emplace_back("step count", trainer.store().step_count().to(at::kCPU));
  if (trainer.store().loss_scale().defined()) {
    copies.emplace_back("loss scale", trainer.store().loss_scale().to(at::kCPU));
    copies.emplace_back("scale growth", trainer.store().scale_growth().to(at::kCPU));
  }
  return copies;
}

TEST_CASE("a run on the GPU stopped and resumed equals one never stopped, bit for bit", "[gpu]") {
  if (!has_gpu()) {
    return;
  }
  const cuda::StreamScope stream;
  for (const train::Precision precision : kPrecisions) {
    INFO(name_of(precision));
    const TempFolder temp;
    TrainerOptions options = toy_trainer_options(temp / "whole");
    options.step.train.precision = precision;
    const auto whole = make_trainer(options, 1);
    REQUIRE(whole->run() == RunOutcome::kFinished);
    CHECK(whole->state().step == 15);

    options.output = temp / "stopped";
    options.should_stop = [asked = 0]() mutable { return ++asked > 12; };  // inside epoch 1
    REQUIRE(make_trainer(options, 1)->run() == RunOutcome::kStopped);
    options.should_stop = [] { return false; };
    options.resume = "auto";
    const auto resumed = make_trainer(options, 77);
    CHECK(resumed->state().step > 5);
    CHECK(resumed->state().step < 10);
    REQUIRE(resumed->run() == RunOutcome::kFinished);
    CHECK(resumed->state() == whole->state());
    check_same_bits(buffers_of(*resumed), buffers_of(*whole));
  }
}

}  // namespace
}  // namespace vim::test

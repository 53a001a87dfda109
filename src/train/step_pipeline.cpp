// Each phase of a step is one line: load, forward-backward, update.
#include "src/train/step_pipeline.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "src/core/error.h"
#include "src/cuda/device.h"
#include "src/cuda/profile_range.h"
#include "src/data/sampler.h"
#include "src/optim/schedule.h"
#include "src/train/compute_device.h"
#include "src/train/micro_batch.h"

namespace vim::train {
namespace {

data::LoaderOptions train_loader_options(
    const StepPipelineOptions& options, int64_t micro_batch, const at::Device& device) {
  data::LoaderOptions loader = data::loader_options(options.data);
  loader.batch_size = micro_batch;
  loader.seed = options.step.train.seed;
  loader.drop_last = true;
  if (device.is_cuda()) {
    loader.allocate = cuda::allocate_pinned;
  }
  return loader;
}

// Images that an epoch visits, before the last, partial batch is dropped.
int64_t epoch_size(const StepPipelineOptions& options, int64_t num_images) {
  return options.step.augment.repeated ? data::repeated_augmentation_size(num_images) : num_images;
}

}  // namespace

StepPipeline::StepPipeline(
    models::VisionMamba model, const data::Dataset& images, StepPipelineOptions options)
    : options_(std::move(options)),
      images_(images),
      step_(std::move(model), options_.step),
      transform_(
          options_.step.augment,
          step_.model_options().img_size[0],
          step_.model_options().img_size[1]),
      steps_per_epoch_(
          epoch_size(options_, images.size()) /
          std::max<int64_t>(train_options().global_batch, 1)) {
  check_data();
  if (train_options().threads > 0) {
    at::set_num_threads(static_cast<int>(train_options().threads));
  }
}

void StepPipeline::check_data() const {
  const models::VisionMambaOptions& model = step_.model_options();
  const auto num_classes = images_.num_classes();
  if (num_classes > model.num_classes) {
    throw Error(fmt::format(
        "data.path: holds {} classes, the model knows {}; set data.num_classes to {}",
        num_classes,
        model.num_classes,
        num_classes));
  }
  if (model.channels != 3) {
    throw Error(
        fmt::format("model.channels: images have 3 channels, got {}; set 3", model.channels));
  }
  if (options_.step.augment.repeated && epoch_size(options_, images_.size()) == 0) {
    throw Error(fmt::format(
        "augment.repeated: needs at least 256 training images, there are {}; set it to false",
        images_.size()));
  }
  if (steps_per_epoch_ < 1) {
    throw Error(fmt::format(
        "train.global_batch: {} is more than the {} training images; lower it",
        train_options().global_batch,
        images_.size()));
  }
}

int64_t StepPipeline::choose_micro_batch(int64_t earlier) {
  MicroBatchRequest request;
  request.global_batch = train_options().global_batch;
  request.mix_group = step_.mix_group();
  request.configured = train_options().micro_batch;
  if (request.configured == 0) {
    request.configured = earlier;
  }
  request.bytes_per_image =
      estimate_activation_bytes(step_.model_options(), train_options(), step_.device().is_cuda()) *
      (options_.step.loss.cosub ? 2 : 1);
  request.memory_bytes = available_device_bytes(step_.device());
  micro_batch_ = train::choose_micro_batch(request);
  constexpr double kMebibyte = 1 << 20;
  spdlog::info(
      "global batch {} = {} x micro-batch {} (about {:.0f} MiB of activations, {:.0f} MiB "
      "available)",
      request.global_batch,
      request.global_batch / micro_batch_,
      micro_batch_,
      static_cast<double>(micro_batch_ * request.bytes_per_image) / kMebibyte,
      static_cast<double>(request.memory_bytes) / kMebibyte);
  loader_ = std::make_unique<data::Loader>(
      images_, transform_, train_loader_options(options_, micro_batch_, step_.device()));
  return micro_batch_;
}

std::vector<int64_t> StepPipeline::epoch_order(int64_t epoch) const {
  return data::training_order(
      images_,
      {options_.data.sampler, options_.step.augment.repeated, train_options().seed},
      static_cast<uint64_t>(epoch));
}

void StepPipeline::start_epoch(int64_t epoch, int64_t step_in_epoch) {
  const int64_t global_batch = train_options().global_batch;
  std::vector<int64_t> order = epoch_order(epoch);
  order.resize(static_cast<size_t>(steps_per_epoch_ * global_batch));  // drop the partial batch
  loader_->start(std::move(order), static_cast<uint64_t>(epoch), step_in_epoch * global_batch);
}

void StepPipeline::run_step(int64_t step) {
  step_.begin(step);
  for (int64_t micro = 0; micro < num_micro_batches(); ++micro) {
    step_.forward_backward(load());
  }
  step_.update(learning_rate(step));
}

const data::LoadedBatch& StepPipeline::load() {
  const cuda::ProfileRange range("wait for data");
  const data::LoadedBatch* batch = loader_->next();
  TORCH_INTERNAL_ASSERT(
      batch != nullptr && batch->size == micro_batch_, "the loader ended before the epoch's steps");
  return *batch;
}

int64_t StepPipeline::num_micro_batches() const {
  return train_options().global_batch / micro_batch_;
}

double StepPipeline::learning_rate(int64_t step) const {
  const double peak = optim::peak_learning_rate(options_.step.optim, train_options().global_batch);
  optim::ScheduleOptions schedule = options_.schedule;
  schedule.lag = schedule.lag && step / steps_per_epoch_ != unlagged_epoch_;
  return optim::learning_rate(schedule, peak, train_options().epochs, step, steps_per_epoch_);
}

}  // namespace vim::train

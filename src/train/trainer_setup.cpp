// Before the first step: checks, resuming, the size of a micro-batch.
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "src/core/error.h"
#include "src/cuda/device.h"
#include "src/train/checkpoint.h"
#include "src/train/compute_device.h"
#include "src/train/config_diff.h"
#include "src/train/micro_batch.h"
#include "src/train/mix.h"
#include "src/train/trainer.h"

namespace vim::train {
namespace {

// Sections and keys that change how a run is carried out, not what it computes.
constexpr std::array<std::string_view, 11> kHarmlessKeys = {
    "checkpoint.",
    "data.path",
    "data.val_path",
    "data.workers",
    "data.prefetch_batches",
    "train.log_interval",
    "train.eval_interval",
    "train.eval_batch",
    "train.cuda_graph",
    "train.max_skipped_steps",
    "train.threads"};

bool is_harmless(const std::string& line) {
  return std::any_of(kHarmlessKeys.begin(), kHarmlessKeys.end(), [&line](std::string_view key) {
    return line.starts_with(key);
  });
}

void report_config_changes(const weights::SafetensorsFile& file, const std::string& config_yaml) {
  const auto stored = file.metadata().find("config");
  if (stored == file.metadata().end()) {
    return;
  }
  for (const std::string& line : compare_configs(stored->second, config_yaml)) {
    if (!is_harmless(line)) {
      spdlog::warn("resume: {}; the run goes on with the new value", line);
    }
  }
}

template <class T>
void require_equal(const char* what, const T& saved, const T& now, const std::string& file) {
  if (saved != now) {
    throw Error(fmt::format(
        "{}: was made with {} {}, this run has {}; resume with the same, or start anew in another "
        "folder",
        file,
        what,
        saved,
        now));
  }
}

void check_identity(const RunIdentity& saved, const RunIdentity& now, const std::string& file) {
  require_equal("train.seed", saved.seed, now.seed, file);
  require_equal("train.global_batch", saved.global_batch, now.global_batch, file);
  require_equal("augment.mix_group", saved.mix_group, now.mix_group, file);
  require_equal(
      "a number of training images of", saved.num_train_images, now.num_train_images, file);
  if (saved.class_names != now.class_names) {
    throw Error(file + ": was made with other class names; resume with the same training images");
  }
}

data::LoaderOptions loader_options(
    const TrainerOptions& options, int64_t micro_batch, const at::Device& device) {
  data::LoaderOptions loader;
  loader.batch_size = micro_batch;
  loader.workers = options.data.workers;
  loader.prefetch_batches = options.data.prefetch_batches;
  loader.seed = options.step.train.seed;
  loader.drop_last = true;
  loader.on_bad_image = options.data.on_bad_image;
  if (device.is_cuda()) {
    loader.allocate = cuda::allocate_pinned;
  }
  return loader;
}

}  // namespace

Trainer::Trainer(models::VisionMamba model, const TrainingData& data, TrainerOptions options)
    : options_(std::move(options)),
      data_(data),
      folder_(options_.output),
      step_(std::move(model), options_.step),
      transform_(
          options_.step.augment,
          step_.model_options().img_size[0],
          step_.model_options().img_size[1]),
      steps_per_epoch_(data.train->size() / std::max<int64_t>(train_options().global_batch, 1)) {
  check_data();
  if (train_options().threads > 0) {
    at::set_num_threads(static_cast<int>(train_options().threads));
  }
  state_.identity = {
      train_options().seed,
      train_options().global_batch,
      step_.mix_group(),
      data_.train->size(),
      data_.train->class_names()};
  resume();
  choose_micro_batch();
  loader_ = std::make_unique<data::Loader>(
      *data_.train, transform_, loader_options(options_, state_.micro_batch, step_.device()));
  folder_.begin(options_.config_yaml, state_);
}

void Trainer::check_data() const {
  const models::VisionMambaOptions& model = step_.model_options();
  const auto num_classes = data_.train->num_classes();
  if (num_classes > model.num_classes) {
    throw Error(fmt::format(
        "data.path: holds {} classes, the model knows {}; set data.num_classes to {}",
        num_classes,
        model.num_classes,
        num_classes));
  }
  if (data_.val != nullptr && data_.val->class_names() != data_.train->class_names()) {
    throw Error("data.val_path: its classes differ from those of data.path; give matching folders");
  }
  if (model.channels != 3) {
    throw Error(
        fmt::format("model.channels: images have 3 channels, got {}; set 3", model.channels));
  }
  if (steps_per_epoch_ < 1) {
    throw Error(fmt::format(
        "train.global_batch: {} is more than the {} training images; lower it",
        train_options().global_batch,
        data_.train->size()));
  }
  if (train_options().log_interval < 1) {
    throw Error("train.log_interval: must be at least 1");
  }
}

void Trainer::resume() {
  const auto file = folder_.find_checkpoint(options_.resume);
  if (!file) {
    return;
  }
  const TrainState saved = restore_checkpoint(*file, *step_.model(), store());
  check_identity(saved.identity, state_.identity, file->name());
  report_config_changes(*file, options_.config_yaml);
  state_ = saved;
  if (state_.epoch >= train_options().epochs) {
    spdlog::info("{}: all {} epochs are done", file->name(), state_.epoch);
    return;
  }
  spdlog::info(
      "resuming from {}: epoch {}/{}, step {}/{}",
      file->name(),
      state_.epoch + 1,
      train_options().epochs,
      state_.step_in_epoch,
      steps_per_epoch_);
}

void Trainer::choose_micro_batch() {
  MicroBatchRequest request;
  request.global_batch = train_options().global_batch;
  request.mix_group = step_.mix_group();
  request.configured = train_options().micro_batch;
  if (request.configured == 0) {
    request.configured = state_.micro_batch;  // what the interrupted run chose, if any
  }
  request.bytes_per_image =
      estimate_activation_bytes(step_.model_options(), train_options().precision);
  request.memory_bytes = available_device_bytes(step_.device());
  state_.micro_batch = train::choose_micro_batch(request);
  constexpr double kMebibyte = 1 << 20;
  spdlog::info(
      "global batch {} = {} x micro-batch {} (about {:.0f} MiB of activations, {:.0f} MiB "
      "available)",
      request.global_batch,
      request.global_batch / state_.micro_batch,
      state_.micro_batch,
      static_cast<double>(state_.micro_batch * request.bytes_per_image) / kMebibyte,
      static_cast<double>(request.memory_bytes) / kMebibyte);
}

}  // namespace vim::train

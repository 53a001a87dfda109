// Before the first step: checks and resuming.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "src/core/error.h"
#include "src/train/checkpoint.h"
#include "src/train/config_diff.h"
#include "src/train/official_resume.h"
#include "src/train/trainer.h"

namespace vim::train {
namespace {

// Sections and keys that change how a run is carried out, not what it computes.
constexpr std::array<std::string_view, 17> kHarmlessKeys = {
    "checkpoint.interval_steps",
    "checkpoint.keep",
    "ema.evaluate",
    "data.path",
    "data.val_path",
    "data.workers",
    "data.prefetch_batches",
    "data.readers",
    "data.read_ahead",
    "data.cache",
    "data.cache_mib",
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

}  // namespace

Trainer::Trainer(models::VisionMamba model, const TrainingData& data, TrainerOptions options)
    : options_(std::move(options)),
      data_(data),
      profiler_(options_.profile),
      folder_(options_.output),
      pipeline_(std::move(model), *data.train, {options_.step, options_.schedule, options_.data}) {
  check_options();
  state_.identity = {
      train_options().seed,
      train_options().global_batch,
      step().mix_group(),
      data_.train->size(),
      data_.train->class_names()};
  resume();
  state_.micro_batch = pipeline_.choose_micro_batch(state_.micro_batch);
  folder_.begin(options_.config_yaml, state_);
}

void Trainer::check_options() const {
  const bool is_average_evaluated = options_.step.ema.enabled && options_.step.ema.evaluate;
  if (options_.checkpoint.best_by == BestBy::kEma && !is_average_evaluated) {
    throw Error("checkpoint.best_by: ema, but no average is evaluated; set ema.evaluate: true");
  }
  if (data_.val != nullptr && data_.val->class_names() != data_.train->class_names()) {
    throw Error("data.val_path: its classes differ from those of data.path; give matching folders");
  }
  if (train_options().log_interval < 1) {
    throw Error("train.log_interval: must be at least 1");
  }
}

void Trainer::resume() {
  std::string source = restore_from_official();
  if (source.empty()) {
    source = restore();
  }
  if (source.empty()) {
    return;
  }
  if (!options_.schedule.resume_lag && state_.step_in_epoch == 0) {
    state_.unlagged_epoch = state_.epoch;
  }
  pipeline_.set_unlagged_epoch(state_.unlagged_epoch);
  if (state_.epoch >= train_options().epochs) {
    spdlog::info("{}: all {} epochs are done", source, state_.epoch);
    return;
  }
  spdlog::info(
      "resuming from {}: epoch {}/{}, step {}/{}",
      source,
      state_.epoch + 1,
      train_options().epochs,
      state_.step_in_epoch,
      pipeline_.steps_per_epoch());
}

// From a checkpoint of ours; returns its name, or "": the run starts from the beginning.
std::string Trainer::restore() {
  const auto file = folder_.find_checkpoint(options_.resume);
  if (!file) {
    return {};
  }
  const TrainState saved = restore_checkpoint(*file, *step().model(), store());
  check_identity(saved.identity, state_.identity, file->name());
  report_config_changes(*file, options_.config_yaml);
  state_ = saved;
  return file->name();
}

// From a checkpoint of the official program, into a folder that holds none of ours; "" if
// options.resume is none.
std::string Trainer::restore_from_official() {
  if (!std::filesystem::is_regular_file(options_.resume) || !is_torch_file(options_.resume)) {
    return {};
  }
  folder_.find_checkpoint("none");
  const OfficialRecipe recipe{
      options_.step.optim, options_.schedule, train_options().epochs, train_options().global_batch};
  const auto progress = restore_official(
      weights::WeightFile::open(options_.resume), *step().model(), store(), recipe);
  state_.epoch = progress.epochs_done;
  state_.step = progress.epochs_done * pipeline_.steps_per_epoch();
  spdlog::info(
      "{}: a checkpoint of the official program, after {} updates",
      options_.resume,
      progress.updates);
  return options_.resume;
}

}  // namespace vim::train

// vim_train: trains a Vision Mamba as one YAML file says.
#include <fmt/format.h>

#include <filesystem>

#include "apps/app_main.h"
#include "apps/initial_model.h"
#include "src/config/config.h"
#include "src/core/logging.h"
#include "src/cuda/device.h"
#include "src/data/training_set.h"
#include "src/models/model_summary.h"
#include "src/train/compute_device.h"
#include "src/train/trainer.h"
#include "src/weights/checkpoint_file.h"

namespace {

using namespace vim;  // a program, not a library: everything of ours is in reach

struct Arguments {
  std::string config;
  std::vector<std::string> overrides;
  std::string resume = "none";
  std::string output;
  train::ProfileOptions profile;
  bool dry_run = false;
  bool print_config = false;
};

void declare(CLI::App& app, Arguments& arguments) {
  app.add_option("--config", arguments.config, "YAML file that says everything")->required();
  app.add_option("--set", arguments.overrides, "key=value, over the file; may be repeated")
      ->take_all()
      ->allow_extra_args(false);
  app.add_option("--resume", arguments.resume, "none, auto or a checkpoint")->capture_default_str();
  app.add_option("--output", arguments.output, "run folder; default runs/<name of the config>");
  app.add_option("--profile", arguments.profile.path, "trace some steps into this JSON file");
  app.add_option("--profile-steps", arguments.profile.num_steps, "steps in the trace")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_flag("--dry-run", arguments.dry_run, "print what would be trained, and end");
  app.add_flag("--print-config", arguments.print_config, "print every key with its value, and end");
}

// The head's size may depend on images that are not there yet.
void count_classes(config::RunConfig& config) {
  const data::DatasetLocation location = data::train_location(config.data);
  if (data::dataset_exists(location)) {
    const auto set = data::open_dataset(location);
    config::fill_num_classes(config, set->num_classes());
    return;
  }
  spdlog::warn(
      "data.num_classes is auto and data.path ({}) is not there: figures are without the head",
      config.data.path);
}

int dry_run(config::RunConfig config) {
  if (config.data.num_classes == 0) {
    count_classes(config);
  }
  const bool is_float = config.train.precision == train::Precision::kFloat32;
  models::VisionMamba model = apps::initial_model(config);
  const auto summary = models::summarize(config.model, is_float ? 4 : 2, config.train.recompute);
  fmt::print("{}", models::to_text(config.model, summary));
  const optim::ParameterStore store(*model, config.optim);
  fmt::print("{}", optim::describe_groups(store));
  return apps::kExitDone;
}

// Not where a checkpoint replaces all weights: the file they once came from may be gone.
bool starts_anew(const Arguments& arguments) {
  const auto checkpoints = std::filesystem::path(arguments.output) / "checkpoints";
  return arguments.resume == "none" ||
         (arguments.resume == "auto" && weights::list_checkpoints(checkpoints).empty());
}

int train_model(const Arguments& arguments, config::RunConfig config) {
  const auto train_set = data::open_training_set(config.data);
  std::unique_ptr<data::Dataset> val_set;
  if (!config.data.val_path.empty()) {
    val_set = data::open_evaluation_set(config.data);
  }
  config::fill_num_classes(config, train_set->num_classes());
  train::TrainerOptions options;
  options.step = {config.train, config.optim, config.ema, config.augment, config.loss};
  options.schedule = config.schedule;
  options.checkpoint = config.checkpoint;
  options.data = config.data;
  options.output = arguments.output;
  options.resume = arguments.resume;
  options.profile = arguments.profile;
  options.config_yaml = config::to_yaml(config);
  core::install_stop_handlers();
  const auto device = train::compute_device(config.train.device, "train.device");
  const cuda::StreamScope stream;
  models::VisionMamba model = apps::initial_model(config);
  if (starts_anew(arguments)) {
    apps::start_from_weights(*model, config);
  }
  model->to(device);
  options.step.teacher = apps::load_teacher(config);
  train::Trainer trainer(model, {train_set.get(), val_set.get()}, options);
  spdlog::info("computing on {}", device.is_cuda() ? cuda::device_name() : "the CPU");
  const auto outcome = trainer.run();
  return outcome == train::RunOutcome::kFinished ? apps::kExitDone : core::kExitResumable;
}

int run(Arguments arguments) {
  const config::RunConfig config = config::load_config(arguments.config, arguments.overrides);
  if (arguments.print_config) {
    fmt::print("{}", config::to_yaml(config));
    return apps::kExitDone;
  }
  if (arguments.dry_run) {
    return dry_run(config);
  }
  if (arguments.output.empty()) {
    arguments.output = "runs/" + std::filesystem::path(arguments.config).stem().string();
  }
  return train_model(arguments, config);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Trains a Vision Mamba as one YAML file says", "vim_train");
  Arguments arguments;
  declare(app, arguments);
  return apps::run_app(app, argc, argv, [&arguments] { return run(arguments); });
}

// The weights' own configuration is the default everywhere.
#include "apps/inference_run.h"

#include "apps/weights_config.h"
#include "src/config/config.h"
#include "src/cuda/device.h"
#include "src/train/compute_device.h"
#include "src/train/weight_import.h"

namespace vim::apps {
namespace {

// --set, then the options that stand for a key.
std::vector<std::string> all_overrides(const InferenceArguments& arguments) {
  std::vector<std::string> overrides = arguments.overrides;
  if (!arguments.device.empty()) {
    overrides.push_back("train.device=" + arguments.device);
  }
  if (!arguments.precision.empty()) {
    overrides.push_back("train.precision=" + arguments.precision);
  }
  return overrides;
}

}  // namespace

void declare_inference(CLI::App& app, InferenceArguments& arguments) {
  app.add_option("--weights", arguments.weights, "checkpoint, .safetensors or .pth file")
      ->required();
  app.add_option("--config", arguments.config, "YAML file; default: the checkpoint's own");
  app.add_option("--which", arguments.which, "weights to use; default: ema if there, else model")
      ->check(CLI::IsMember({"ema", "model"}));
  app.add_option("--set", arguments.overrides, "key=value, over the config; may be repeated")
      ->take_all()
      ->allow_extra_args(false);
  app.add_option("--device", arguments.device, "auto, cpu or cuda; default: train.device")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}));
  app.add_option("--precision", arguments.precision, "fp32, bf16 or fp16; default: train.precision")
      ->check(CLI::IsMember({"fp32", "bf16", "fp16"}));
}

config::RunConfig inference_config(
    const InferenceArguments& arguments, const weights::WeightFile& file) {
  const std::vector<std::string> overrides = all_overrides(arguments);
  if (!arguments.config.empty()) {
    return config::load_config(arguments.config, overrides);
  }
  return config::parse_config(config_of_weights(file), arguments.weights, overrides);
}

InferenceModel load_model(
    const InferenceArguments& arguments,
    const config::RunConfig& config,
    const weights::WeightFile& file) {
  const auto device = train::compute_device(config.train.device, "train.device");
  cuda::allow_tf32(config.train.tf32);
  models::VisionMamba model(config.model);
  const std::string which = train::choose_set(file, arguments.which);
  train::import_weights(*model, file, which, {});
  train::place_for_inference(*model, device, config.train.precision);
  return {model, which};
}

train::EvaluatorOptions evaluator_options(const config::RunConfig& config) {
  constexpr int64_t kDefaultBatch = 64;
  train::EvaluatorOptions options;
  options.batch = config.train.eval_batch > 0 ? config.train.eval_batch : kDefaultBatch;
  options.precision = config.train.precision;
  options.seed = config.train.seed;
  options.data = config.data;
  options.augment = config.augment;
  return options;
}

}  // namespace vim::apps

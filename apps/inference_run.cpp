// The weights' own configuration is the default everywhere.
#include "apps/inference_run.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>

#include "apps/weights_config.h"
#include "src/config/config.h"
#include "src/core/error.h"
#include "src/cuda/device.h"
#include "src/models/pos_embed_resize.h"
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
  if (arguments.img_size > 0) {
    overrides.push_back(fmt::format("model.img_size={}", arguments.img_size));
  }
  if (arguments.crop_ratio > 0) {
    overrides.push_back(fmt::format("augment.eval_crop_ratio={}", arguments.crop_ratio));
  }
  return overrides;
}

// The patch grid that the weights were made for: by their own configuration, or else a square one
// of as many patches as their position embedding has rows.
models::Grid stored_grid(
    const models::VisionMambaOptions& wanted, const weights::WeightFile& file) {
  if (const auto own = stored_config(file)) {
    const bool is_alike = own->model.patch_size == wanted.patch_size;
    return models::patch_grid(is_alike ? own->model : wanted);  // loading says what is wrong
  }
  const weights::WeightTensor* rows = file.find(file.sets().front(), "pos_embed");
  const bool has_rows = rows != nullptr && rows->shape.size() == 3;
  if (!has_rows || rows->shape[1] == wanted.num_tokens()) {
    return models::patch_grid(wanted);
  }
  const auto patches = static_cast<double>(rows->shape[1] - wanted.num_cls_tokens());
  const auto side = static_cast<int64_t>(std::sqrt(std::max(patches, 1.0)));
  return {side, side};
}

std::string describe(const models::Grid& grid) {
  return fmt::format("{} x {} patches", grid.height, grid.width);
}

models::PosEmbedResize resize_method(
    const InferenceArguments& arguments, const models::Grid& stored, const models::Grid& wanted) {
  if (arguments.resize_pos_embed.empty()) {
    throw Error(fmt::format(
        "{}: was made for {}, the configuration has {}; pass --resize-pos-embed correct (or "
        "upstream, the official way), or leave model.img_size as it was",
        arguments.weights,
        describe(stored),
        describe(wanted)));
  }
  return arguments.resize_pos_embed == "upstream" ? models::PosEmbedResize::kUpstream
                                                  : models::PosEmbedResize::kCorrect;
}

// Returns the set of weights that was taken.
std::string load_for_grid(
    const InferenceArguments& arguments,
    models::VisionMambaImpl& model,
    const weights::WeightFile& file) {
  const models::VisionMambaOptions& wanted = model.options();
  const models::Grid from = stored_grid(wanted, file);
  const models::Grid to = models::patch_grid(wanted);
  train::ImportRules rules;
  if (!(from == to)) {
    // Without a position embedding nothing has to be resized: rope tables are computed.
    rules.pos_embed =
        wanted.pos_embed ? resize_method(arguments, from, to) : models::PosEmbedResize::kCorrect;
    rules.pos_embed_grid = from;
  }
  const std::string set = train::choose_set(file, arguments.which);
  for (const std::string& note : train::import_weights(model, file, set, rules)) {
    spdlog::info("{}: {}", arguments.weights, note);
  }
  return set;
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
  app.add_option("--img-size", arguments.img_size, "side of the images; default: model.img_size")
      ->check(CLI::PositiveNumber);
  app.add_option(
         "--crop-ratio", arguments.crop_ratio, "centre crop; default: augment.eval_crop_ratio")
      ->check(CLI::PositiveNumber);
  app.add_option(
         "--resize-pos-embed",
         arguments.resize_pos_embed,
         "fit weights of another patch grid: correct, or upstream as in the official code")
      ->check(CLI::IsMember({"correct", "upstream"}));
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
  const std::string which = load_for_grid(arguments, *model, file);
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
  options.unweighted_loss = config.train.unweighted_test_loss;
  return options;
}

}  // namespace vim::apps

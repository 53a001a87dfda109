// vim_eval: accuracy and loss of a checkpoint's weights on the evaluation images.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "apps/app_main.h"
#include "src/config/config.h"
#include "src/core/atomic_file.h"
#include "src/core/error.h"
#include "src/cuda/device.h"
#include "src/models/vision_mamba.h"
#include "src/train/compute_device.h"
#include "src/train/evaluator.h"
#include "src/train/load_weights.h"

namespace {

using namespace vim;  // a program, not a library: everything of ours is in reach

struct Arguments {
  std::string weights;
  std::string config;
  std::string which;
  std::vector<std::string> overrides;
  std::string json;
  std::string dump_logits;
  std::string device;
};

void declare(CLI::App& app, Arguments& arguments) {
  app.add_option("--weights", arguments.weights, "checkpoint or safetensors file")->required();
  app.add_option("--config", arguments.config, "YAML file; default: the checkpoint's own");
  app.add_option("--which", arguments.which, "weights to use; default: ema if there, else model")
      ->check(CLI::IsMember({"ema", "model"}));
  app.add_option("--set", arguments.overrides, "key=value, over the config; may be repeated")
      ->take_all()
      ->allow_extra_args(false);
  app.add_option("--device", arguments.device, "auto, cpu or cuda; default: train.device")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}));
  app.add_option("--json", arguments.json, "write the figures to this file");
  app.add_option("--dump-logits", arguments.dump_logits, "write logits, labels and file names");
}

config::RunConfig read_config(const Arguments& arguments, const weights::SafetensorsFile& file) {
  if (!arguments.config.empty()) {
    return config::load_config(arguments.config, arguments.overrides);
  }
  const auto stored = file.metadata().find("config");
  if (stored == file.metadata().end()) {
    throw Error(arguments.weights + ": carries no configuration; pass --config");
  }
  return config::parse_config(stored->second, arguments.weights, arguments.overrides);
}

train::EvaluatorOptions evaluator_options(const config::RunConfig& config, bool keep_logits) {
  constexpr int64_t kDefaultBatch = 64;
  train::EvaluatorOptions options;
  options.batch = config.train.eval_batch > 0 ? config.train.eval_batch : kDefaultBatch;
  options.precision = config.train.precision;
  options.seed = config.train.seed;
  options.data = config.data;
  options.augment = config.augment;
  options.keep_logits = keep_logits;
  return options;
}

void report(const Arguments& arguments, const std::string& which, const train::EvalResult& result) {
  fmt::print(
      "{} weights on {} images: top-1 {:.2f} %, top-5 {:.2f} %, loss {:.4f}, {:.1f} img/s\n",
      which,
      result.num_images,
      result.metrics.acc1,
      result.metrics.acc5,
      result.metrics.loss,
      result.images_per_second);
  if (!arguments.json.empty()) {
    const nlohmann::ordered_json json = {
        {"weights", arguments.weights},
        {"which", which},
        {"top1", result.metrics.acc1},
        {"top5", result.metrics.acc5},
        {"loss", result.metrics.loss},
        {"count", result.num_images},
        {"img_s", result.images_per_second}};
    core::write_file_atomically(arguments.json, json.dump(2) + "\n");
  }
}

int run(const Arguments& arguments) {
  const auto file = train::open_weights(arguments.weights);
  config::RunConfig config = read_config(arguments, file);
  const std::string& path = config.data.val_path;
  if (path.empty()) {
    throw Error("data.val_path: no evaluation images; pass --set data.val_path=FOLDER");
  }
  const auto dataset = data::open_dataset(config.data.format, path, /*train=*/false);
  config::fill_num_classes(config, dataset->num_classes());
  if (!arguments.device.empty()) {
    config.train.device = train::device_choice(arguments.device, "--device");
  }
  const auto device = train::compute_device(config.train.device, "train.device");
  const cuda::StreamScope stream;
  cuda::allow_tf32(config.train.tf32);
  models::VisionMamba model(config.model);
  const std::string which = train::load_weights(*model, file, arguments.which);
  train::place_for_inference(*model, device, config.train.precision);
  const auto options = evaluator_options(config, !arguments.dump_logits.empty());
  const auto result = train::evaluate(model, *dataset, options, [] { return false; });
  report(arguments, which, *result);
  if (!arguments.dump_logits.empty()) {
    train::write_logits(arguments.dump_logits, *result, *dataset);
  }
  return apps::kExitDone;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Evaluates a checkpoint's weights on the evaluation images", "vim_eval");
  Arguments arguments;
  declare(app, arguments);
  return apps::run_app(app, argc, argv, [&arguments] { return run(arguments); });
}

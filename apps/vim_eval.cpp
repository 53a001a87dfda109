// vim_eval: accuracy and loss of a checkpoint's weights on the evaluation images.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "apps/app_main.h"
#include "apps/inference_run.h"
#include "src/config/config.h"
#include "src/core/atomic_file.h"
#include "src/core/error.h"
#include "src/cuda/device.h"

namespace {

using namespace vim;  // a program, not a library: everything of ours is in reach

struct Arguments {
  apps::InferenceArguments inference;
  std::string json;
  std::string dump_logits;
};

void declare(CLI::App& app, Arguments& arguments) {
  apps::declare_inference(app, arguments.inference);
  app.add_option("--json", arguments.json, "write the figures to this file");
  app.add_option("--dump-logits", arguments.dump_logits, "write logits, labels and file names");
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
        {"weights", arguments.inference.weights},
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
  const auto file = weights::WeightFile::open(arguments.inference.weights);
  config::RunConfig config = apps::inference_config(arguments.inference, file);
  const std::string& path = config.data.val_path;
  if (path.empty()) {
    throw Error("data.val_path: no evaluation images; pass --set data.val_path=FOLDER");
  }
  const auto dataset = data::open_dataset(config.data.format, path, /*train=*/false);
  config::fill_num_classes(config, dataset->num_classes());
  const cuda::StreamScope stream;
  auto loaded = apps::load_model(arguments.inference, config, file);
  auto options = apps::evaluator_options(config);
  options.keep_logits = !arguments.dump_logits.empty();
  const auto result = train::evaluate(loaded.model, *dataset, options, [] { return false; });
  report(arguments, loaded.which, *result);
  if (options.keep_logits) {
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

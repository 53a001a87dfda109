// vim_predict: the likeliest classes of image files.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "apps/app_main.h"
#include "apps/inference_run.h"
#include "src/config/config.h"
#include "src/core/atomic_file.h"
#include "src/core/error.h"
#include "src/cuda/device.h"
#include "src/train/feature_file.h"
#include "src/train/predictor.h"

namespace {

using namespace vim;  // a program, not a library: everything of ours is in reach

struct Arguments {
  apps::InferenceArguments inference;
  std::vector<std::string> images;
  int64_t top = 5;
  int64_t batch = 0;  // 0: as vim_eval, but no more than there are images
  std::string json;
  std::string features;  // file for feature maps; empty: none
  std::vector<int64_t> layers;
  std::string feature_kind = "hidden";
  std::string last_feature;  // empty: as the kind says
};

void declare_features(CLI::App& app, Arguments& arguments) {
  CLI::Option* file = app.add_option(
      "--features", arguments.features, "write feature maps of layers to this safetensors file");
  app.add_option(
         "--layers", arguments.layers, "layers from 0; default: the ends of the model's quarters")
      ->delimiter(',')
      ->take_all()
      ->allow_extra_args(false)
      ->needs(file);
  app.add_option(
         "--feature-kind",
         arguments.feature_kind,
         "hidden: what leaves the layer; residual: the sum through the layer")
      ->capture_default_str()
      ->check(CLI::IsMember({"hidden", "residual"}))
      ->needs(file);
  app.add_option(
         "--last-feature",
         arguments.last_feature,
         "of the last layer: hidden, add (hidden + residual) or norm; default: hidden, or add")
      ->check(CLI::IsMember({"hidden", "add", "norm"}))
      ->needs(file);
}

void declare(CLI::App& app, Arguments& arguments) {
  apps::declare_inference(app, arguments.inference);
  app.add_option("IMAGE", arguments.images, "image files")->required();
  app.add_option("--top", arguments.top, "classes to name of each image")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--batch", arguments.batch, "images a pass; default: train.eval_batch, or 64")
      ->check(CLI::PositiveNumber);
  app.add_option("--json", arguments.json, "write the predictions to this file");
  declare_features(app, arguments);
  app.footer(
      "An image that is missing or cannot be decoded is an error and gives exit code 2; the others "
      "are predicted all the same.");
}

// The number of classes is not counted from images here: the weights bring the names with them.
void settle_num_classes(config::RunConfig& config, const std::vector<std::string>& names) {
  if (config.data.num_classes == 0 && names.empty()) {
    throw Error(
        "data.num_classes: auto, but the weights carry no class names to count; pass "
        "--set data.num_classes=N");
  }
  config::fill_num_classes(config, static_cast<int64_t>(names.size()));
}

// A class without a name is called by its number.
std::string class_name(const std::vector<std::string>& names, int64_t index) {
  const auto place = static_cast<size_t>(index);
  return place < names.size() ? names[place] : std::to_string(index);
}

void print_line(
    const std::string& image,
    const train::Prediction& prediction,
    const std::vector<std::string>& names) {
  std::string line = image + ":";
  for (const train::ClassProbability& likely : prediction.top) {
    line += fmt::format(
        "{} {} {:.4f}",
        &likely == prediction.top.data() ? "" : ",",
        class_name(names, likely.class_index),
        likely.probability);
  }
  fmt::print("{}\n", line);
}

nlohmann::ordered_json to_json(
    const std::string& image,
    const train::Prediction& prediction,
    const std::vector<std::string>& names) {
  nlohmann::ordered_json json = {{"image", image}};
  if (!prediction.problem.empty()) {
    json["error"] = prediction.problem;
    return json;
  }
  json["top"] = nlohmann::ordered_json::array();
  for (const train::ClassProbability& likely : prediction.top) {
    json["top"].push_back(
        {{"class", likely.class_index},
         {"name", class_name(names, likely.class_index)},
         {"probability", likely.probability}});
  }
  return json;
}

void write_json(
    const Arguments& arguments, const std::string& which, const nlohmann::ordered_json& images) {
  const nlohmann::ordered_json json = {
      {"weights", arguments.inference.weights}, {"which", which}, {"images", images}};
  // File names need not be UTF-8.
  constexpr auto kReplace = nlohmann::ordered_json::error_handler_t::replace;
  core::write_file_atomically(arguments.json, json.dump(2, ' ', false, kReplace) + "\n");
}

// What to make beside predictions; nothing without --features.
std::optional<models::FeatureOptions> feature_options(
    const Arguments& arguments, const models::VisionMambaOptions& model) {
  if (arguments.features.empty()) {
    return std::nullopt;
  }
  models::FeatureOptions options;
  options.layers =
      arguments.layers.empty() ? models::quarter_layers(model.depth) : arguments.layers;
  options.kind = arguments.feature_kind == "hidden" ? models::FeatureKind::kHidden
                                                    : models::FeatureKind::kResidual;
  if (arguments.layers.empty() && model.bidirectional_pairs) {
    options.layers = {model.depth - 1};
  }
  if (!arguments.last_feature.empty()) {
    options.last = arguments.last_feature == "hidden" ? models::LastFeature::kHidden
                   : arguments.last_feature == "add"  ? models::LastFeature::kAdd
                                                      : models::LastFeature::kNorm;
  }
  models::check_feature_layers(model, options, "--layers");
  return options;
}

train::EvaluatorOptions pass_options(const Arguments& arguments, const config::RunConfig& config) {
  train::EvaluatorOptions options = apps::evaluator_options(config);
  options.batch = arguments.batch > 0
                      ? arguments.batch
                      : std::min(options.batch, static_cast<int64_t>(arguments.images.size()));
  options.features = feature_options(arguments, config.model);
  return options;
}

// With the feature maps, where they are wanted.
void predict_all(
    const Arguments& arguments,
    models::VisionMamba& model,
    const data::ImageFiles& images,
    const train::EvaluatorOptions& options,
    const train::TakePrediction& take) {
  if (!options.features) {
    train::predict(model, images, options, arguments.top, take);
    return;
  }
  train::FeatureFile file(
      arguments.features, model->options(), *options.features, arguments.images);
  const auto write = [&file](int64_t first, const std::vector<at::Tensor>& maps) {
    file.write(first, maps);
  };
  train::predict(model, images, options, arguments.top, take, write);
  file.finish();
}

int run(const Arguments& arguments) {
  const auto file = weights::WeightFile::open(arguments.inference.weights);
  const std::vector<std::string> names = train::stored_class_names(file);
  config::RunConfig config = apps::inference_config(arguments.inference, file);
  settle_num_classes(config, names);
  const train::EvaluatorOptions options = pass_options(arguments, config);
  const cuda::StreamScope stream;
  auto loaded = apps::load_model(arguments.inference, config, file);
  const data::ImageFiles images(arguments.images);
  auto json = nlohmann::ordered_json::array();
  const auto take = [&](int64_t index, const train::Prediction& prediction) {
    const std::string image = images.name(index);
    json.push_back(to_json(image, prediction, names));
    if (prediction.problem.empty()) {
      print_line(image, prediction, names);
    }
  };
  predict_all(arguments, loaded.model, images, options, take);
  if (!arguments.json.empty()) {
    write_json(arguments, loaded.which, json);
  }
  std::vector<std::string> problems;
  for (const auto& [index, problem] : images.problems()) {
    problems.push_back(problem);
  }
  if (!problems.empty()) {
    throw Error(fmt::format("{}", fmt::join(problems, "\n")));
  }
  return apps::kExitDone;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Names the likeliest classes of image files", "vim_predict");
  Arguments arguments;
  declare(app, arguments);
  return apps::run_app(app, argc, argv, [&arguments] { return run(arguments); });
}

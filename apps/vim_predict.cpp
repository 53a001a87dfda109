// vim_predict: the likeliest classes of image files.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "apps/app_main.h"
#include "apps/inference_run.h"
#include "src/config/config.h"
#include "src/core/atomic_file.h"
#include "src/core/error.h"
#include "src/cuda/device.h"
#include "src/train/predictor.h"

namespace {

using namespace vim;  // a program, not a library: everything of ours is in reach

struct Arguments {
  apps::InferenceArguments inference;
  std::vector<std::string> images;
  int64_t top = 5;
  int64_t batch = 0;  // 0: as vim_eval, but no more than there are images
  std::string json;
};

void declare(CLI::App& app, Arguments& arguments) {
  apps::declare_inference(app, arguments.inference);
  app.add_option("IMAGE", arguments.images, "image files")->required();
  app.add_option("--top", arguments.top, "classes to name of each image")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--batch", arguments.batch, "images a pass; default: train.eval_batch, or 64")
      ->check(CLI::PositiveNumber);
  app.add_option("--json", arguments.json, "write the predictions to this file");
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

train::EvaluatorOptions pass_options(const Arguments& arguments, const config::RunConfig& config) {
  train::EvaluatorOptions options = apps::evaluator_options(config);
  options.batch = arguments.batch > 0
                      ? arguments.batch
                      : std::min(options.batch, static_cast<int64_t>(arguments.images.size()));
  return options;
}

int run(const Arguments& arguments) {
  const auto file = weights::WeightFile::open(arguments.inference.weights);
  const std::vector<std::string> names = train::stored_class_names(file);
  config::RunConfig config = apps::inference_config(arguments.inference, file);
  settle_num_classes(config, names);
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
  train::predict(loaded.model, images, pass_options(arguments, config), arguments.top, take);
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

// vim_eval: accuracy and loss of a checkpoint's weights on the evaluation images.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "apps/app_main.h"
#include "apps/inference_run.h"
#include "src/config/config.h"
#include "src/core/atomic_file.h"
#include "src/core/error.h"
#include "src/cuda/device.h"
#include "src/data/source/class_order.h"
#include "src/data/source/label_file.h"
#include "src/data/source/relabelled_dataset.h"
#include "src/train/class_report.h"
#include "src/train/predictor.h"

namespace {

using namespace vim;  // a program, not a library: everything of ours is in reach

struct Arguments {
  apps::InferenceArguments inference;
  std::string json;
  std::string dump_logits;
  std::string per_class;
  std::string confusion;
  std::string labels;  // file of right answers; empty: the data set's own classes
  data::ClassOrder class_order = data::ClassOrder::kAuto;
};

void declare(CLI::App& app, Arguments& arguments) {
  apps::declare_inference(app, arguments.inference);
  app.add_option("--json", arguments.json, "write the figures to this file");
  app.add_option("--dump-logits", arguments.dump_logits, "write logits, labels and file names");
  app.add_option("--per-class", arguments.per_class, "write each class's accuracy, CSV");
  app.add_option("--confusion", arguments.confusion, "write the confusion matrix, CSV");
  app.add_option(
      "--labels",
      arguments.labels,
      "file of right answers instead of the folders': lines `name label...`, or ImageNet-ReaL's "
      "JSON");
  app.add_option(
         "--class-order",
         arguments.class_order,
         "class of a folder: auto, by its name; text, its place by name; numeric, its name is the "
         "number")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, data::ClassOrder>{
              {"auto", data::ClassOrder::kAuto},
              {"text", data::ClassOrder::kText},
              {"numeric", data::ClassOrder::kNumeric}},
          CLI::ignore_case));
}

// What counts as right, and the images under the model's class numbers.
struct GroundTruth {
  std::unique_ptr<data::Dataset> images;
  data::LabelSets right;  // by image number
};

GroundTruth file_truth(
    const std::string& labels, const data::Dataset& dataset, const data::ModelClasses& classes) {
  GroundTruth truth{nullptr, data::read_label_file(labels, dataset, classes)};
  std::vector<int64_t> firsts;  // some label for every image: what it gives is not reported
  for (const std::vector<int64_t>& set : truth.right) {
    firsts.push_back(set.empty() ? 0 : set.front());
  }
  truth.images = std::make_unique<data::RelabelledDataset>(dataset, classes.names, firsts);
  return truth;
}

GroundTruth folder_truth(
    const Arguments& arguments,
    const config::RunConfig& config,
    const data::Dataset& dataset,
    const data::ModelClasses& classes) {
  const auto order = data::find_model_classes(
      dataset.class_names(), classes, arguments.class_order, config.data.val_path);
  GroundTruth truth;
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    labels.push_back(order[static_cast<size_t>(dataset.label(i))]);
    truth.right.push_back({labels.back()});
  }
  truth.images = std::make_unique<data::RelabelledDataset>(dataset, classes.names, labels);
  return truth;
}

struct Figures {
  double acc1 = 0.0;
  double acc5 = 0.0;
  std::optional<double> loss;  // of the folders' classes alone
  int64_t counted = 0;         // images that have a right answer
};

Figures figures_of(
    const Arguments& arguments, const train::EvalResult& result, const train::ClassReport& report) {
  if (arguments.labels.empty()) {
    const train::EvalMetrics& metrics = result.metrics;
    return {metrics.acc1, metrics.acc5, metrics.loss, result.num_images};
  }
  const auto percent = [&report](int64_t hits) {
    return 100.0 * static_cast<double>(hits) /
           static_cast<double>(std::max<int64_t>(report.all.images, 1));
  };
  return {percent(report.all.top1), percent(report.all.top5), std::nullopt, report.all.images};
}

void report(
    const Arguments& arguments,
    const std::string& which,
    const train::EvalResult& result,
    const Figures& figures) {
  const std::string counted =
      arguments.labels.empty()
          ? ""
          : fmt::format(", {} counted by {}", figures.counted, arguments.labels);
  fmt::print(
      "{} weights on {} images{}: top-1 {:.2f} %, top-5 {:.2f} %,{} {:.1f} img/s\n",
      which,
      result.num_images,
      counted,
      figures.acc1,
      figures.acc5,
      figures.loss ? fmt::format(" loss {:.4f},", *figures.loss) : "",
      result.images_per_second);
  if (!arguments.json.empty()) {
    const nlohmann::ordered_json json = {
        {"weights", arguments.inference.weights},
        {"which", which},
        {"top1", figures.acc1},
        {"top5", figures.acc5},
        {"loss", figures.loss ? nlohmann::ordered_json(*figures.loss) : nullptr},
        {"count", result.num_images},
        {"ground_truth", arguments.labels.empty() ? std::string("folders") : arguments.labels},
        {"counted", figures.counted},
        {"img_s", result.images_per_second}};
    core::write_file_atomically(arguments.json, json.dump(2) + "\n");
  }
}

void write_files(
    const Arguments& arguments,
    const train::EvalResult& result,
    const train::ClassReport& report,
    const data::Dataset& images) {
  if (!arguments.dump_logits.empty()) {
    train::write_logits(arguments.dump_logits, result, images);
  }
  if (!arguments.per_class.empty()) {
    train::write_per_class(arguments.per_class, report, images.class_names());
  }
  if (!arguments.confusion.empty()) {
    train::write_confusion(arguments.confusion, report, images.class_names());
  }
}

int run(const Arguments& arguments) {
  const auto file = weights::WeightFile::open(arguments.inference.weights);
  config::RunConfig config = apps::inference_config(arguments.inference, file);
  const std::string& path = config.data.val_path;
  if (path.empty()) {
    throw Error("data.val_path: no evaluation images; pass --set data.val_path=FOLDER");
  }
  const auto dataset = data::open_dataset(data::val_location(config.data));
  data::ModelClasses classes{train::stored_class_names(file)};
  const auto num_stored = static_cast<int64_t>(classes.names.size());
  config::fill_num_classes(config, num_stored > 0 ? num_stored : dataset->num_classes());
  classes.num_classes = config.model.num_classes;
  const GroundTruth truth = arguments.labels.empty()
                                ? folder_truth(arguments, config, *dataset, classes)
                                : file_truth(arguments.labels, *dataset, classes);
  const cuda::StreamScope stream;
  auto loaded = apps::load_model(arguments.inference, config, file);
  auto options = apps::evaluator_options(config);
  options.keep_logits = !arguments.dump_logits.empty();
  options.keep_top = true;
  const auto result = train::evaluate(loaded.model, *truth.images, options, [] { return false; });
  const auto counts = train::count_classes(result->top, truth.right, classes.num_classes);
  write_files(arguments, *result, counts, *truth.images);
  report(arguments, loaded.which, *result, figures_of(arguments, *result, counts));
  return apps::kExitDone;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Evaluates a checkpoint's weights on the evaluation images", "vim_eval");
  Arguments arguments;
  declare(app, arguments);
  return apps::run_app(app, argc, argv, [&arguments] { return run(arguments); });
}

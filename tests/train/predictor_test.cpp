#include "src/train/predictor.h"

#include <ATen/ATen.h>

#include <cmath>

#include "src/models/vision_mamba.h"
#include "src/optim/parameter_store.h"
#include "src/train/checkpoint.h"
#include "src/weights/safetensors.h"
#include "src/weights/weight_file.h"
#include "tests/support/catch.h"
#include "tests/support/temp_folder.h"
#include "tests/support/thrown_text.h"
#include "tests/train/toy_image_files.h"
#include "tests/train/toy_run.h"

namespace vim::train {
namespace {

// Predictions in the order in which they come, which must be that of the images.
std::vector<Prediction> predict_all(
    models::VisionMamba& model, const data::ImageFiles& images, int64_t batch, int64_t top) {
  std::vector<Prediction> predictions;
  predict(
      model,
      images,
      test::toy_evaluator_options(batch),
      top,
      [&](int64_t index, const Prediction& one) {
        CHECK(index == static_cast<int64_t>(predictions.size()));
        predictions.push_back(one);
      });
  return predictions;
}

}  // namespace

TEST_CASE("probabilities are the softmax of the logits that evaluation computes") {
  const test::TempFolder temp;
  models::VisionMamba model = test::make_toy_model(1);
  const data::ImageFiles images(test::write_image_files(temp.path(), 5));
  const auto evaluated = evaluate(model, images, test::toy_evaluator_options(2), {});
  REQUIRE(evaluated);
  const std::vector<Prediction> predictions = predict_all(model, images, 2, test::kToyClasses);
  REQUIRE(predictions.size() == 5);
  for (int64_t i = 0; i < 5; ++i) {
    const Prediction& prediction = predictions[static_cast<size_t>(i)];
    CHECK(prediction.problem.empty());
    REQUIRE(prediction.top.size() == test::kToyClasses);
    const at::Tensor row = evaluated->logits[i].to(at::kDouble);
    double sum = 0.0;
    for (int64_t c = 0; c < test::kToyClasses; ++c) {
      sum += std::exp(row[c].item<double>());
    }
    double last = 1.0;
    for (const ClassProbability& likely : prediction.top) {
      const double expected = std::exp(row[likely.class_index].item<double>()) / sum;
      CHECK(likely.probability == Approx(expected).epsilon(1e-12));  // both in double
      CHECK(likely.probability <= last);
      last = likely.probability;
    }
  }
}

TEST_CASE("equal probabilities come in the order of the classes, and no more than asked for") {
  const test::TempFolder temp;
  models::VisionMamba model = test::make_toy_model(1);
  {
    const at::NoGradGuard no_grad;
    model->named_parameters()["head.weight"].zero_();
    model->named_parameters()["head.bias"].zero_();
  }
  const data::ImageFiles images(test::write_image_files(temp.path(), 1));
  const Prediction all = predict_all(model, images, 1, 100).at(0);
  REQUIRE(all.top.size() == 3);
  for (size_t place = 0; place < 3; ++place) {
    CHECK(all.top[place].class_index == static_cast<int64_t>(place));
    CHECK(all.top[place].probability == Approx(1.0 / 3));
  }
  CHECK(predict_all(model, images, 1, 2).at(0).top.size() == 2);
}

TEST_CASE("a bad image is reported in its place and changes no other prediction") {
  const test::TempFolder temp;
  models::VisionMamba model = test::make_toy_model(1);
  std::vector<std::string> paths = test::write_image_files(temp.path(), 4);
  const auto expected = predict_all(model, data::ImageFiles(paths), 3, 1);
  paths[1] = (temp / "none.jpg").string();
  const auto predictions = predict_all(model, data::ImageFiles(paths), 3, 1);
  REQUIRE(predictions.size() == 4);
  CHECK(predictions[1].top.empty());
  CHECK(test::contains(predictions[1].problem, paths[1] + ": cannot be read"));
  for (const size_t i : {0, 2, 3}) {
    CHECK(predictions[i].problem.empty());
    CHECK(predictions[i].top.at(0).class_index == expected[i].top.at(0).class_index);
    // The batch is the same but for the bad image's row.
    CHECK(predictions[i].top.at(0).probability == Approx(expected[i].top.at(0).probability));
  }
}

TEST_CASE("class names are those of the checkpoint, and none for a file of bare weights") {
  const test::TempFolder temp;
  models::VisionMamba model = test::make_toy_model(1);
  const optim::ParameterStore store(*model, {});
  TrainState state;
  state.identity.class_names = {"red", "green", "blue"};
  write_snapshot(temp / "step.safetensors", take_snapshot(*model, store, state, "model: {}\n"));
  CHECK(
      stored_class_names(weights::WeightFile::open(temp / "step.safetensors")) ==
      std::vector<std::string>{"red", "green", "blue"});
  weights::write_safetensors(temp / "bare.safetensors", {}, {{"state", "not ours"}});
  CHECK(stored_class_names(weights::WeightFile::open(temp / "bare.safetensors")).empty());
}

}  // namespace vim::train

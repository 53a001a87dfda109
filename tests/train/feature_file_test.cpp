// Feature maps in a file against the model's own.
#include "src/train/feature_file.h"

#include <ATen/ATen.h>

#include "src/train/predictor.h"
#include "tests/support/catch.h"
#include "tests/support/golden_file.h"
#include "tests/support/temp_folder.h"
#include "tests/train/toy_image_files.h"
#include "tests/train/toy_run.h"

namespace vim::train {
namespace {

// The file that prediction in batches of `batch` writes.
test::GoldenFile written_features(
    const std::filesystem::path& path,
    const std::vector<std::string>& images,
    int64_t batch,
    const models::FeatureOptions& features) {
  models::VisionMamba model = test::make_toy_model(1);
  EvaluatorOptions options = test::toy_evaluator_options(batch);
  options.features = features;
  FeatureFile file(path, model->options(), features, images);
  predict(
      model,
      data::ImageFiles(images),
      options,
      1,
      [](int64_t, const Prediction&) {},
      [&file](int64_t first, const std::vector<at::Tensor>& maps) { file.write(first, maps); });
  CHECK_FALSE(std::filesystem::exists(path));
  file.finish();
  return test::load_golden(path);
}

TEST_CASE("the file holds each layer's maps over all images, whatever the batch") {
  const test::TempFolder temp;
  const auto images = test::write_image_files(temp.path(), 5);
  const models::FeatureOptions features = {{1, 0}, models::FeatureKind::kResidual};
  const auto small = written_features(temp / "small.safetensors", images, 2, features);
  const auto large = written_features(temp / "large.safetensors", images, 5, features);
  REQUIRE(small.tensors.size() == 2);
  for (const char* name : {"layer_0", "layer_1"}) {
    const at::Tensor& maps = small.at(name);
    REQUIRE(maps.sizes() == at::IntArrayRef({5, 8, 2, 2}));
    CHECK(test::relative_error(maps, large.at(name)) < 1e-5);
    CHECK((maps[0] - maps[4]).abs().max().item<double>() > 1e-4);
  }
  CHECK(small.metadata.at("kind") == "residual");
  CHECK(small.metadata.at("last") == "add");
  CHECK(small.metadata.at("names").starts_with("[\"" + images[0] + "\",\"" + images[1]));
}

TEST_CASE("a bad image's maps are no numbers, and the others' as without it") {
  const test::TempFolder temp;
  auto images = test::write_image_files(temp.path(), 3);
  const auto whole = written_features(temp / "whole.safetensors", images, 3, {{1}});
  images[1] = (temp / "none.jpg").string();
  const auto damaged = written_features(temp / "damaged.safetensors", images, 3, {{1}});
  const at::Tensor& maps = damaged.at("layer_1");
  CHECK(maps[1].isnan().all().item<bool>());
  for (const int64_t i : {0, 2}) {
    CHECK(test::relative_error(maps[i], whole.at("layer_1")[i]) < 1e-5);
  }
}

TEST_CASE("prediction with features says the same as without") {
  const test::TempFolder temp;
  const data::ImageFiles images(test::write_image_files(temp.path(), 3));
  models::VisionMamba model = test::make_toy_model(1);
  EvaluatorOptions options = test::toy_evaluator_options(2);
  std::vector<double> plain;
  std::vector<double> beside;
  predict(model, images, options, 1, [&](int64_t, const Prediction& one) {
    plain.push_back(one.top.at(0).probability);
  });
  options.features = models::FeatureOptions{{0}};
  predict(model, images, options, 1, [&](int64_t, const Prediction& one) {
    beside.push_back(one.top.at(0).probability);
  });
  CHECK(beside == plain);
}

}  // namespace
}  // namespace vim::train

// Feature maps against the hidden states and residuals that the reference files hold.
#include "src/models/features.h"

#include <ATen/ATen.h>

#include <nlohmann/json.hpp>

#include "src/models/official_options.h"
#include "src/models/vision_mamba.h"
#include "tests/models/toy_model.h"
#include "tests/support/catch.h"
#include "tests/support/golden_file.h"
#include "tests/support/thrown_text.h"

namespace vim::models {
namespace {

// The limit of the reference files for hidden states and residuals, float on the CPU.
constexpr double kTolerance = 1e-5;

// A model from a reference file, and what the file says of a pass.
struct GoldenModel {
  test::GoldenFile file;
  VisionMamba model = nullptr;

  explicit GoldenModel(const std::string& name)
      : file(test::load_golden("tests/golden/" + name + ".safetensors")) {
    const auto config = nlohmann::json::parse(file.metadata.at("config"));
    model = VisionMamba(options_from_official(config.at("model").dump()));
    model->eval();
    const at::NoGradGuard no_grad;
    for (auto& item : model->named_parameters()) {
      item.value().copy_(file.at("weight/" + item.key()));
    }
  }

  std::vector<at::Tensor> maps(const FeatureOptions& options) {
    const at::NoGradGuard no_grad;
    return extract_features(model, file.at("input"), options).maps;
  }

  at::Tensor hidden(int64_t layer) const { return file.at("hidden/" + std::to_string(layer)); }
  at::Tensor residual(int64_t layer) const { return file.at("residual/" + std::to_string(layer)); }
};

// Tokens of the 4 x 4 grid of most reference models, without those in `slots`, cell by cell.
at::Tensor expected_map(const at::Tensor& tokens, const std::vector<int64_t>& slots) {
  constexpr int64_t kSide = 4;
  at::Tensor map = at::empty({tokens.size(0), tokens.size(2), kSide, kSide});
  int64_t token = 0;
  for (int64_t cell = 0; cell < kSide * kSide; ++cell, ++token) {
    while (std::find(slots.begin(), slots.end(), token) != slots.end()) {
      ++token;
    }
    map.select(3, cell % kSide).select(2, cell / kSide).copy_(tokens.select(1, token));
  }
  return map;
}

void check_map(const at::Tensor& map, const at::Tensor& tokens, const std::vector<int64_t>& slots) {
  CHECK(map.is_contiguous());
  CHECK(test::relative_error(map, expected_map(tokens, slots)) < kTolerance);
}

TEST_CASE("hidden features are the layers' hidden states as maps, without class tokens") {
  struct Case {
    const char* name;
    std::vector<int64_t> slots;
  };
  const auto [name, slots] = GENERATE(
      Case{"model_v2_middle", {8}},
      Case{"model_v2_head", {0}},
      Case{"model_v2_double", {0, 17}},
      Case{"model_v2_all", {}});
  INFO(name);
  GoldenModel golden(name);
  const auto maps = golden.maps({{0, 1}});
  REQUIRE(maps.size() == 2);
  check_map(maps[0], golden.hidden(0), slots);
  check_map(maps[1], golden.hidden(1), slots);
}

TEST_CASE("a residual feature is the next layer's residual, the last one the sum") {
  GoldenModel golden("model_none_middle");  // three layers
  const auto maps = golden.maps({{2, 0, 1}, FeatureKind::kResidual});
  REQUIRE(maps.size() == 3);  // in the order asked for
  check_map(maps[0], golden.residual(2) + golden.hidden(2), {8});
  check_map(maps[1], golden.residual(1), {8});
  check_map(maps[2], golden.residual(2), {8});
}

TEST_CASE("with rope on the residual, a residual feature is turned as the next layer takes it") {
  GoldenModel golden("model_v2_mean_rope");  // three layers, no class token
  const auto maps = golden.maps({{0, 1}, FeatureKind::kResidual});
  check_map(maps[0], golden.residual(1), {});
  check_map(maps[1], golden.residual(2), {});
}

TEST_CASE("the last layer's feature is what was asked for, whatever the kind") {
  GoldenModel golden("model_v2_middle");
  const auto kind = GENERATE(FeatureKind::kHidden, FeatureKind::kResidual);
  const at::Tensor sum = golden.residual(1) + golden.hidden(1);
  check_map(golden.maps({{1}, kind, LastFeature::kHidden})[0], golden.hidden(1), {8});
  check_map(golden.maps({{1}, kind, LastFeature::kAdd})[0], sum, {8});
  const at::Tensor weight = golden.file.at("weight/norm_f.weight").to(at::kDouble);
  const at::Tensor wide = sum.to(at::kDouble);
  const at::Tensor normed = wide * (wide.square().mean(-1, true) + 1e-5).rsqrt() * weight;
  check_map(golden.maps({{1}, kind, LastFeature::kNorm})[0], normed.to(at::kFloat), {8});
}

TEST_CASE("features come with the result of the same pass") {
  GoldenModel golden("model_v2_middle");
  const at::NoGradGuard no_grad;
  const Features features = extract_features(golden.model, golden.file.at("input"), {{0}});
  CHECK(test::relative_error(features.head_input, golden.file.at("features")) < kTolerance);
}

TEST_CASE("maps have the shape of an oblong grid, row by row") {
  VisionMambaOptions options = toy_options();
  options.img_size = {48, 80};  // 3 x 5 patches
  options.rope = true;
  const at::NoGradGuard no_grad;
  VisionMamba model = make_toy(options);
  const at::Tensor images = sine_images({2, 3, 48, 80}, 0.003);
  LayerOutputs outputs;
  model->forward_features(images, {}, &outputs);
  const at::Tensor map = extract_features(model, images, {{2}}).maps[0];
  REQUIRE(map.sizes() == at::IntArrayRef({2, 32, 3, 5}));
  CHECK(at::equal(map.select(2, 0).select(2, 4), outputs.hidden[2].select(1, 4)));
  CHECK(at::equal(map.select(2, 1).select(2, 1), outputs.hidden[2].select(1, 6)));
  CHECK(at::equal(map.select(2, 2).select(2, 4), outputs.hidden[2].select(1, 15)));
}

TEST_CASE("of pairs of layers only the last has features") {
  GoldenModel golden("model_pairs_none");  // four layers
  check_map(golden.maps({{3}})[0], golden.hidden(1), {8});
  check_map(
      golden.maps({{3}, FeatureKind::kResidual})[0], golden.residual(1) + golden.hidden(1), {8});
  CHECK(test::contains(
      test::thrown_text([&] { golden.maps({{1}}); }),
      "layer 1 has no output of its own in a model of bidirectional_pairs; name layer 3"));
}

TEST_CASE("layers that are not there or named twice are refused") {
  const VisionMambaOptions options = toy_options();  // four layers
  const auto text = [&](const std::vector<int64_t>& layers) {
    return test::thrown_text([&] { check_feature_layers(options, {layers}, "--layers"); });
  };
  CHECK(text({0, 3}) == "nothing was thrown");
  CHECK(text({0, 4}) == "--layers: there is no layer 4; name layers from 0 to 3");
  CHECK(test::contains(text({-1}), "no layer -1"));
  CHECK(text({1, 2, 1}) == "--layers: layer 1 is named twice; name it once");
}

TEST_CASE("the quarters of a model end where the official segmentation takes its features") {
  CHECK(quarter_layers(24) == std::vector<int64_t>{5, 11, 17, 23});
  CHECK(quarter_layers(3) == std::vector<int64_t>{0, 1, 2});
  CHECK(quarter_layers(1) == std::vector<int64_t>{0});
}

}  // namespace
}  // namespace vim::models

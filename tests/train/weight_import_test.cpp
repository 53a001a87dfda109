#include "src/train/weight_import.h"

#include <ATen/ATen.h>

#include "src/core/error.h"
#include "src/train/stored_tensors.h"
#include "src/weights/safetensors.h"
#include "tests/support/catch.h"
#include "tests/support/temp_folder.h"
#include "tests/support/thrown_text.h"
#include "tests/train/toy_run.h"

namespace vim::train {
namespace {

models::VisionMamba make_model(
    uint64_t seed, const std::function<void(models::VisionMambaOptions&)>& change = {}) {
  models::VisionMambaOptions options = test::toy_model_options();
  if (change) {
    change(options);
  }
  models::VisionMamba model(options);
  at::Generator generator = at::detail::createCPUGenerator(seed);
  model->reset_parameters(generator);
  return model;
}

// The model's parameters as a plain safetensors file, those that `skip` names left out.
weights::WeightFile write_file(
    const std::filesystem::path& path,
    models::VisionMamba model,
    at::ScalarType dtype = at::kFloat,
    const std::string& skip = "") {
  std::vector<at::Tensor> kept;
  std::vector<weights::TensorToWrite> tensors;
  for (const auto& item : model->named_parameters()) {
    if (item.key() != skip) {
      kept.push_back(item.value().detach().to(dtype).contiguous());
      const auto* bytes = static_cast<const std::byte*>(kept.back().const_data_ptr());
      tensors.push_back(
          {item.key(),
           stored_type(dtype),
           kept.back().sizes().vec(),
           std::span(bytes, kept.back().nbytes())});
    }
  }
  weights::write_safetensors(path, tensors, {});
  return weights::WeightFile::open(path);
}

at::Tensor parameter(models::VisionMamba model, const std::string& name) {
  return model->named_parameters()[name].detach();
}

const auto kLargerGrid = [](models::VisionMambaOptions& options) { options.img_size = {32, 24}; };
const auto kMoreClasses = [](models::VisionMambaOptions& options) { options.num_classes = 7; };

}  // namespace

TEST_CASE("weights of any floating-point width come into the model") {
  const test::TempFolder temp;
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble, at::kBFloat16}) {
    models::VisionMamba source = make_model(1);
    models::VisionMamba target = make_model(2);
    const auto file = write_file(temp.path() / "weights.safetensors", source, dtype);
    CHECK(import_weights(*target, file, choose_set(file, ""), {}).empty());
    for (const auto& item : source->named_parameters()) {
      const at::Tensor expected = item.value().detach().to(dtype).to(at::kFloat);
      CHECK(at::equal(parameter(target, item.key()), expected));
    }
  }
}

TEST_CASE("everything that does not fit is reported at once, and nothing is changed") {
  const test::TempFolder temp;
  const auto file = write_file(
      temp.path() / "weights.safetensors", make_model(1, kMoreClasses), at::kFloat, "pos_embed");
  models::VisionMamba target = make_model(2);
  const at::Tensor before = parameter(target, "norm_f.weight").clone().fill_(3.0);
  target->named_parameters()["norm_f.weight"].detach().fill_(3.0);
  const std::string error = test::thrown_text([&] { import_weights(*target, file, "model", {}); });
  CHECK(test::contains(error, "missing: pos_embed"));
  CHECK(test::contains(error, "misshapen: head.weight is [7, 8] in the file, [3, 8] in the model"));
  CHECK(test::contains(error, "misshapen: head.bias"));
  CHECK(test::contains(error, "ask for a new head"));
  CHECK(at::equal(parameter(target, "norm_f.weight"), before));
}

TEST_CASE("a head of other classes stays the model's own on request") {
  const test::TempFolder temp;
  models::VisionMamba source = make_model(1, kMoreClasses);
  models::VisionMamba target = make_model(2);
  const at::Tensor head = parameter(target, "head.weight").clone();
  const auto file = write_file(temp.path() / "weights.safetensors", source);
  const auto notes = import_weights(*target, file, "model", {.new_head = true});
  CHECK(notes.size() == 2);
  CHECK(at::equal(parameter(target, "head.weight"), head));
  CHECK(at::equal(parameter(target, "norm_f.weight"), parameter(source, "norm_f.weight")));
}

TEST_CASE("a head that fits is taken over, new head or not") {
  const test::TempFolder temp;
  models::VisionMamba source = make_model(1);
  models::VisionMamba target = make_model(2);
  const auto file = write_file(temp.path() / "weights.safetensors", source);
  CHECK(import_weights(*target, file, "model", {.new_head = true}).empty());
  CHECK(at::equal(parameter(target, "head.weight"), parameter(source, "head.weight")));
}

TEST_CASE("a position embedding of another grid is resized on request alone") {
  const test::TempFolder temp;
  models::VisionMamba source = make_model(1);
  models::VisionMamba target = make_model(2, kLargerGrid);
  const auto file = write_file(temp.path() / "weights.safetensors", source);
  CHECK_THROWS_AS(import_weights(*target, file, "model", {}), Error);
  const auto notes =
      import_weights(*target, file, "model", {.pos_embed = models::PosEmbedResize::kCorrect});
  CHECK(notes.size() == 1);
  const at::Tensor expected = models::resize_pos_embed(
      parameter(source, "pos_embed"),
      {2, 2},
      {4, 3},
      models::ClsPosition::kMiddle,
      models::PosEmbedResize::kCorrect);
  CHECK(at::equal(parameter(target, "pos_embed"), expected));
}

TEST_CASE("names that a file may lack are given as patterns") {
  const test::TempFolder temp;
  models::VisionMamba target = make_model(2);
  const auto file =
      write_file(temp.path() / "weights.safetensors", make_model(1), at::kFloat, "head.bias");
  CHECK_THROWS_AS(import_weights(*target, file, "model", {.allow_missing = {"layers.*"}}), Error);
  CHECK(import_weights(*target, file, "model", {.allow_missing = {"head.*"}}).size() == 1);
}

TEST_CASE("a set that the file does not have is refused") {
  const test::TempFolder temp;
  const auto file = write_file(temp.path() / "weights.safetensors", make_model(1));
  CHECK(choose_set(file, "") == "model");
  CHECK(test::contains(
      test::thrown_text([&] { choose_set(file, "ema"); }), "holds no ema weights, only model"));
}

}  // namespace vim::train

// recipe_ cases: full-size presets with weights from an integer formula. init_: the model's own
// draws.
#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "src/core/error.h"
#include "src/models/model_summary.h"
#include "src/models/official_options.h"
#include "src/models/vision_mamba.h"
#include "tests/golden_runner/backend.h"
#include "tests/golden_runner/cases.h"

namespace vim::golden {
namespace {

using Json = nlohmann::json;

double output_limit() { return limit(2e-5, 1e-4); }
constexpr double kGradientNorm = 1e-3;

uint64_t fnv1a(const std::string& text) {
  uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : text) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  }
  return hash;
}

// The golden README's fill: SplitMix64 over the flat index, 16 bits a value.
void fill(const at::Tensor& tensor, const std::string& key, int64_t base, float amplitude) {
  const at::NoGradGuard no_grad;
  const uint64_t hash = fnv1a(key);
  auto* values = tensor.mutable_data_ptr<float>();
  const float unit = amplitude * 0x1.0p-15F;
  for (int64_t i = 0; i < tensor.numel(); ++i) {
    uint64_t s = hash + (static_cast<uint64_t>(i) + 1) * 0x9E3779B97F4A7C15ULL;
    s = (s ^ (s >> 30)) * 0xBF58476D1CE4E5B9ULL;
    s = (s ^ (s >> 27)) * 0x94D049BB133111EBULL;
    s = s ^ (s >> 31);
    values[i] = static_cast<float>(static_cast<int64_t>(s >> 48) - 32768 + base) * unit;
  }
}

void fill_parameters(models::VisionMambaImpl& model, const Json& json) {
  for (auto& item : model.named_parameters()) {
    const std::string& name = item.key();
    const auto& laws = json.at("laws");
    const auto law = std::find_if(laws.begin(), laws.end(), [&name](const Json& entry) {
      return name.ends_with(entry.at("suffix").get<std::string>());
    });
    if (law == laws.end()) {
      throw Error("recipe: no law for parameter '" + name + "'; check the file's laws");
    }
    fill(
        item.value(),
        json.at("salt").get<std::string>() + "/" + name,
        law->at("base").get<int64_t>(),
        law->at("amplitude").get<float>());
  }
}

at::Tensor fill_input(const Json& json) {
  const Json& law = json.at("input");
  const at::Tensor input = at::empty(law.at("shape").get<std::vector<int64_t>>());
  fill(input, law.at("key"), law.at("base").get<int64_t>(), law.at("amplitude").get<float>());
  return input.narrow(0, 0, law.at("used").get<int64_t>()).contiguous().to(device());
}

// (layers, batch): L2 norm per sample.
at::Tensor sample_norms(const std::vector<at::Tensor>& layers) {
  std::vector<at::Tensor> norms;
  for (const at::Tensor& layer : layers) {
    norms.push_back(layer.detach().flatten(1).to(at::kDouble).norm(2, 1));
  }
  return at::stack(norms);
}

void check_first_values(models::VisionMambaImpl& model, const Json& json, Checks& checks) {
  const auto parameters = model.named_parameters();
  for (const auto& [name, values] : json.at("first_values").items()) {
    const at::Tensor expected = at::tensor(values.get<std::vector<double>>(), at::kDouble);
    const at::Tensor computed = parameters[name].flatten().narrow(0, 0, expected.numel());
    checks.push_back({"first values of " + name, relative_error(computed, expected), 0.0});
  }
}

// The loss's gradient norm per parameter, each relative to its own stored value.
void check_gradient_norms(
    models::VisionMambaImpl& model, const at::Tensor& logits, const Json& json, Checks& checks) {
  const at::Tensor labels =
      at::tensor(json.at("labels").get<std::vector<int64_t>>(), at::kLong).to(device());
  const at::Tensor loss = at::cross_entropy_loss(logits, labels);
  loss.backward();
  const double expected_loss = json.at("loss").get<double>();
  checks.push_back(
      {"loss", std::abs(loss.item<double>() - expected_loss) / expected_loss, output_limit()});
  double total = 0.0;
  for (const auto& item : model.named_parameters()) {
    const double norm = item.value().grad().to(at::kDouble).norm().item<double>();
    const double expected = json.at("grad_norms").at(item.key()).get<double>();
    total += norm * norm;
    checks.push_back(
        {"grad norm " + item.key(), std::abs(norm - expected) / expected, kGradientNorm});
  }
  const double expected_total = json.at("total_grad_norm").get<double>();
  checks.push_back(
      {"total grad norm",
       std::abs(std::sqrt(total) - expected_total) / expected_total,
       kGradientNorm});
}

std::filesystem::path beside(const std::filesystem::path& path) {
  return std::filesystem::path(path).replace_extension(".json");
}

}  // namespace

Checks run_recipe(const std::filesystem::path& path) {
  const GoldenFile golden = load_golden(path);
  const Json json = Json::parse(read_text(beside(path)));
  const auto options = models::options_from_official(json.at("options").dump());
  models::VisionMamba model(options);
  model->eval();
  fill_parameters(*model, json);
  model->to(device());

  Checks checks;
  check_first_values(*model, json, checks);
  const auto expected_parameters = json.at("parameters").get<int64_t>();
  const auto counted = models::summarize(options, sizeof(float)).num_parameters;
  checks.push_back({"parameters", counted == expected_parameters ? 0.0 : 1.0, 0.0});

  models::LayerOutputs layers;
  const bool wants_gradients = json.contains("grad_norms");
  const at::AutoGradMode grad_mode(wants_gradients);
  const at::Tensor features = model->forward_features(fill_input(json), {}, &layers);
  const at::Tensor logits = model->classify(features);
  checks.push_back({"features", relative_error(features, golden.at("features")), output_limit()});
  checks.push_back({"logits", relative_error(logits, golden.at("logits")), output_limit()});
  if (golden.get("hidden_norms").defined()) {
    checks.push_back(
        {"hidden_norms",
         relative_error(sample_norms(layers.hidden), golden.at("hidden_norms")),
         output_limit()});
    checks.push_back(
        {"residual_norms",
         relative_error(sample_norms(layers.residual), golden.at("residual_norms")),
         output_limit()});
  }
  if (wants_gradients) {
    check_gradient_norms(*model, logits, json, checks);
  }
  return checks;
}

Checks run_init(const std::filesystem::path& path) {
  // Truncated normals may differ by one unit in the last place between LibTorch builds; sums over a
  // tensor then agree to a few parts in 1e7.
  constexpr double kValue = 1.2e-7;
  constexpr double kSum = 1e-6;
  const GoldenFile golden = load_golden(path);
  const Json json = Json::parse(read_text(beside(path)));
  models::VisionMambaOptions options;
  options.drop_path_rate = 0.0;
  models::VisionMamba model(options);
  model->eval();
  auto generator = at::make_generator<at::CPUGeneratorImpl>(json.at("seed").get<uint64_t>());
  model->reset_parameters(generator);

  Checks checks;
  const auto parameters = model->named_parameters();
  for (const auto& [name, expected] : json.at("tensors").items()) {
    const at::Tensor values = parameters[name].detach();
    const at::Tensor first =
        at::tensor(expected.at("first").get<std::vector<double>>(), at::kDouble);
    const double abs_sum = expected.at("abs_sum").get<double>();
    const at::Tensor wide = values.to(at::kDouble);
    checks.push_back(
        {name + " first",
         relative_error(values.flatten().narrow(0, 0, first.numel()), first),
         kValue});
    const double scale = std::max(abs_sum, 1e-6);
    checks.push_back(
        {name + " sum",
         std::abs(wide.sum().item<double>() - expected.at("sum").get<double>()) / scale,
         kSum});
    checks.push_back(
        {name + " abs_sum", std::abs(wide.abs().sum().item<double>() - abs_sum) / scale, kSum});
  }
  const int64_t count = int64_t{2} * 3 * 224 * 224;
  const at::Tensor input =
      at::arange(count, at::kDouble).mul(0.001).sin().to(at::kFloat).view({2, 3, 224, 224});
  const at::NoGradGuard no_grad;
  model->to(device());
  const at::Tensor logits = model->forward(input.to(device()));
  checks.push_back({"logits", relative_error(logits, golden.at("logits")), output_limit()});
  return checks;
}

}  // namespace vim::golden

// mixer_ and model_ cases: whole modules with stored weights, forward and all gradients.
#include <ATen/ATen.h>

#include <nlohmann/json.hpp>

#include "src/models/official_options.h"
#include "src/models/vision_mamba.h"
#include "src/nn/mamba_mixer.h"
#include "tests/golden_runner/backend.h"
#include "tests/golden_runner/cases.h"

namespace vim::golden {
namespace {

using Json = nlohmann::json;

double mixer_output() { return limit(1e-5, 3e-5); }
double mixer_gradient() { return limit(5e-5, 1e-4); }
double model_output() { return limit(1e-5, 3e-5); }
double model_gradient() { return limit(1e-4, 3e-4); }
// Rates and rope tables are float values of a few operations on the host.
constexpr double kTableTolerance = 1e-6;

// Copies every stored weight into the module; names must agree on both sides.
void load_weights(torch::nn::Module& module, const GoldenFile& golden, Checks& checks) {
  const at::NoGradGuard no_grad;
  auto stored = golden.under("weight/");
  double unmatched = 0;
  for (auto& item : module.named_parameters()) {
    const auto found = stored.find(item.key());
    if (found == stored.end() || found->second.sizes() != item.value().sizes()) {
      ++unmatched;
      continue;
    }
    item.value().copy_(found->second);
    stored.erase(found);
  }
  for (const auto& item : module.named_buffers()) {
    const auto found = stored.find(item.key());
    if (found != stored.end()) {
      checks.push_back({item.key(), relative_error(item.value(), found->second), kTableTolerance});
      stored.erase(found);
    }
  }
  checks.push_back({"state-dict names", unmatched + static_cast<double>(stored.size()), 0.0});
}

// Compares every parameter's gradient; a parameter without a stored one must have none.
void check_gradients(
    torch::nn::Module& module,
    const GoldenFile& golden,
    const std::string& prefix,
    double tolerance,
    Checks& checks) {
  for (const auto& item : module.named_parameters()) {
    const at::Tensor expected = golden.get(prefix + item.key());
    const at::Tensor grad = item.value().grad();
    if (expected.defined()) {
      checks.push_back({prefix + item.key(), relative_error(grad, expected), tolerance});
    } else {
      const bool is_zero = !grad.defined() || grad.abs().max().item<float>() == 0.0F;
      checks.push_back({prefix + item.key() + " (none)", is_zero ? 0.0 : 1.0, 0.0});
    }
  }
}

// The stored gradient sets: the true one, and for v1 that of the official defect.
std::vector<std::string> gradient_sets(const GoldenFile& golden) {
  std::vector<std::string> prefixes = {"grad/"};
  if (!golden.under("grad_gate_defect/").empty()) {
    prefixes.push_back("grad_gate_defect/");
  }
  return prefixes;
}

models::StepDraws draws_of(const Json& run, const GoldenFile& golden) {
  models::StepDraws draws;
  if (run.contains("cls_position")) {
    draws.cls_position = run["cls_position"].get<int64_t>();
  }
  if (run.contains("token_order")) {
    draws.token_order = at::tensor(run["token_order"].get<std::vector<int64_t>>(), at::kLong);
  }
  draws.flip_tokens = run.value("flip_sequence", false);
  draws.drop_path_masks = golden.get("drop_masks");
  return draws;
}

// loss = mean of -sum(targets * log_softmax(logits)); with logits for every token, each has its
// sample's target.
at::Tensor soft_loss(const at::Tensor& logits, const at::Tensor& targets) {
  const at::Tensor wide = logits.dim() == 3 ? targets.unsqueeze(1).expand_as(logits) : targets;
  return -(wide * at::log_softmax(logits, -1)).sum(-1).mean();
}

void check_model_outputs(
    const GoldenFile& golden,
    const at::Tensor& features,
    const models::LayerOutputs& layers,
    Checks& checks) {
  checks.push_back({"features", relative_error(features, golden.at("features")), model_output()});
  for (size_t i = 0; i < layers.hidden.size(); ++i) {
    const std::string hidden = "hidden/" + std::to_string(i);
    const std::string residual = "residual/" + std::to_string(i);
    checks.push_back({hidden, relative_error(layers.hidden[i], golden.at(hidden)), model_output()});
    checks.push_back(
        {residual, relative_error(layers.residual[i], golden.at(residual)), model_output()});
  }
  const size_t stored = golden.under("hidden/").size();
  checks.push_back({"layers", stored == layers.hidden.size() ? 0.0 : 1.0, 0.0});
}

}  // namespace

Checks run_mixer(const std::filesystem::path& path) {
  const GoldenFile golden = load_golden(path);
  Checks checks;
  for (const std::string& prefix : gradient_sets(golden)) {
    auto options = models::mixer_options_from_official(golden.metadata.at("config"));
    options.v1_gate_defect = prefix == "grad_gate_defect/";
    nn::MambaMixer mixer(options);
    mixer->to(device());
    load_weights(*mixer, golden, checks);
    const at::Tensor input = leaf(golden.at("input"));
    const at::Tensor output = mixer->forward(input);
    output.backward(golden.at("dout"));
    checks.push_back({"output", relative_error(output, golden.at("output")), mixer_output()});
    checks.push_back(
        {prefix + "input",
         relative_error(input.grad(), golden.at(prefix + "input")),
         mixer_gradient()});
    check_gradients(*mixer, golden, prefix, mixer_gradient(), checks);
  }
  return checks;
}

Checks run_model(const std::filesystem::path& path) {
  const GoldenFile golden = load_golden(path);
  const Json config = Json::parse(golden.metadata.at("config"));
  const Json& run = config.at("run");
  Checks checks;
  for (const std::string& prefix : gradient_sets(golden)) {
    auto options = models::options_from_official(config.at("model").dump());
    options.mixer.v1_gate_defect = prefix == "grad_gate_defect/";
    if (run.contains("cls_position")) {
      options.cls_position = models::ClsPosition::kRandom;
    }
    models::VisionMamba model(options);
    model->to(device());
    model->train(run.value("train", false));
    load_weights(*model, golden, checks);
    const at::Tensor rates =
        at::tensor(models::drop_path_schedule(options.depth, options.drop_path_rate), at::kDouble);
    const at::Tensor expected_rates =
        at::tensor(config.at("drop_path_rates").get<std::vector<double>>(), at::kDouble);
    checks.push_back({"drop_path_rates", relative_error(rates, expected_rates), kTableTolerance});

    const at::Tensor input = leaf(golden.at("input"));
    models::LayerOutputs layers;
    const at::Tensor features = model->forward_features(input, draws_of(run, golden), &layers);
    const at::Tensor logits = model->classify(features);
    const at::Tensor loss = soft_loss(logits, golden.at("targets"));
    loss.backward();
    check_model_outputs(golden, features, layers, checks);
    checks.push_back({"logits", relative_error(logits, golden.at("logits")), model_output()});
    checks.push_back(
        {"loss", relative_error(loss.reshape({1}), golden.at("loss")), model_output()});
    checks.push_back(
        {prefix + "input",
         relative_error(input.grad(), golden.at(prefix + "input")),
         model_gradient()});
    check_gradients(*model, golden, prefix, model_gradient(), checks);
  }
  return checks;
}

}  // namespace vim::golden

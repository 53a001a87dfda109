// loss cases: every loss of the recipe, with its gradients.
#include <ATen/ATen.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "src/train/losses.h"
#include "tests/golden_runner/backend.h"
#include "tests/golden_runner/cases.h"

namespace vim::golden {
namespace {

using Json = nlohmann::json;

constexpr double kFloat = 1e-6;

at::Tensor matrix(const Json& rows) {
  std::vector<at::Tensor> tensors;
  for (const Json& row : rows) {
    tensors.push_back(at::tensor(row.get<std::vector<double>>(), at::kDouble));
  }
  return at::stack(tensors).to(at::kFloat).to(device());
}

// What the losses of one file are computed from; new leaves for each of them.
struct Inputs {
  explicit Inputs(const Json& json)
      : logits(matrix(json.at("logits")).requires_grad_(true)),
        student(matrix(json.at("student_kd")).requires_grad_(true)),
        labels(at::tensor(json.at("labels").get<std::vector<int64_t>>()).to(device())) {}

  at::Tensor logits;
  at::Tensor student;
  at::Tensor labels;
};

at::Tensor distilled(
    const std::string& name,
    const Json& settings,
    const Inputs& inputs,
    const at::Tensor& teacher) {
  if (settings.at("base") != "cross_entropy") {
    throw std::runtime_error("loss " + name + ": only cross_entropy is known as its base");
  }
  train::DistillationOptions options;
  options.kind = name.find("hard") == std::string::npos ? train::DistillationKind::kSoft
                                                        : train::DistillationKind::kHard;
  options.alpha = settings.at("alpha").get<double>();
  options.tau = settings.at("tau").get<double>();
  const at::Tensor base = train::label_smoothing_cross_entropy(inputs.logits, inputs.labels, 0.0);
  return (1 - options.alpha) * base +
         options.alpha * train::distillation_loss(inputs.student, teacher, options);
}

// The number in "targets = 1 where soft_targets > 0.1, else 0".
double threshold_in(const std::string& note) { return std::stod(note.substr(note.find('>') + 1)); }

at::Tensor compute(
    const std::string& name, const Json& settings, const Inputs& inputs, const Json& json) {
  if (name == "cross_entropy") {
    return train::label_smoothing_cross_entropy(inputs.logits, inputs.labels, 0.0);
  }
  if (settings.contains("smoothing")) {
    const double smoothing = settings.at("smoothing").get<double>();
    return train::label_smoothing_cross_entropy(inputs.logits, inputs.labels, smoothing);
  }
  if (name == "soft_target") {
    return train::soft_target_cross_entropy(inputs.logits, matrix(json.at("soft_targets")));
  }
  if (name == "bce_with_logits") {
    return train::sigmoid_cross_entropy(inputs.logits, matrix(json.at("binary_targets")));
  }
  if (name == "bce_after_binarise") {
    const double threshold = threshold_in(settings.at("note").get<std::string>());
    const at::Tensor soft = matrix(json.at("soft_targets"));
    return train::sigmoid_cross_entropy(inputs.logits, train::binarise(soft, threshold));
  }
  if (settings.contains("alpha")) {
    return distilled(name, settings, inputs, matrix(json.at("teacher_logits")));
  }
  throw std::runtime_error("loss " + name + ": there is no such loss");
}

}  // namespace

Checks run_loss(const std::filesystem::path& path) {
  Checks checks;
  const Json json = Json::parse(read_text(path));
  for (const auto& [name, settings] : json.at("losses").items()) {
    const Inputs inputs(json);
    const at::Tensor loss = compute(name, settings, inputs, json);
    const double expected = settings.at("value").get<double>();
    checks.push_back(
        {name,
         std::abs(loss.item<double>() - expected) / std::max(std::abs(expected), 1e-6),
         kFloat});
    loss.backward();
    for (const auto& [key, leaf] :
         {std::pair("grad_logits", inputs.logits), std::pair("grad_student_kd", inputs.student)}) {
      if (settings.contains(key)) {
        const at::Tensor gradient = matrix(settings.at(key));
        checks.push_back({name + " " + key, relative_error(leaf.grad(), gradient), kFloat});
      }
    }
  }
  return checks;
}

}  // namespace vim::golden

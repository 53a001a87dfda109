#include "tests/models/official_values.h"

#include <ATen/ATen.h>

#include <cmath>

namespace vim::models {
namespace {

constexpr double kRelative = 1e-5;
constexpr double kPrinted = 5e-7;

}  // namespace

bool is_near(double actual, double printed) {
  return std::abs(actual - printed) <= kRelative * std::abs(printed) + kPrinted;
}

bool is_relatively_near(double actual, double printed) {
  return std::abs(actual - printed) <= kRelative * std::abs(printed);
}

double largest_difference(const at::Tensor& actual, const std::vector<double>& printed) {
  const at::Tensor wanted = at::tensor(printed, at::kDouble);
  return (actual.to(at::kDouble) - wanted).abs().max().item<double>();
}

double total_gradient_norm(const VisionMamba& model) {
  double squares = 0.0;
  for (const at::Tensor& parameter : model->parameters()) {
    squares += parameter.grad().to(at::kDouble).square().sum().item<double>();
  }
  return std::sqrt(squares);
}

double gradient_norm(const VisionMamba& model, const std::string& name) {
  return model->named_parameters()[name].grad().to(at::kDouble).norm().item<double>();
}

}  // namespace vim::models

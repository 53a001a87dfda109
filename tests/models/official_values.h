// Comparison with numbers printed by the official code (vim_spec, appendix A).
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "src/models/vision_mamba.h"

namespace vim::models {

/// Absolute, for logits and features: two independent programs agree to 2e-6 or 1e-5 relative.
inline constexpr double kLogitTolerance = 2e-5;

/// True within 1e-5 relative and half a unit of the sixth decimal.
bool is_near(double actual, double printed);

/// True within 1e-5 relative, for values printed with seven significant digits.
bool is_relatively_near(double actual, double printed);

double largest_difference(const at::Tensor& actual, const std::vector<double>& printed);

double total_gradient_norm(const VisionMamba& model);

double gradient_norm(const VisionMamba& model, const std::string& name);

}  // namespace vim::models

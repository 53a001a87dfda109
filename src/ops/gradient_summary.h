// Norm and finiteness of all gradients of a step, and what its update is to do about them, in one
// reading.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "kernels/gradient_summary.h"

namespace vim::ops {

/// What is summarised. All on one device.
struct GradientSummaryInputs {
  at::Tensor gradients;              // float, one-dimensional, contiguous, not empty
  at::Tensor loss;                   // double scalar
  at::Tensor loss_scale{};           // float scalar that they were multiplied by; may be undefined
  std::optional<double> max_norm{};  // of clipping; none: gradients are not clipped
};

struct GradientSummary {
  at::Tensor values;      // (kNumGradientSummaryValues), double: see kernels/gradient_summary.h
  at::Tensor found_inf;   // float scalar: not 0 where norm or loss is not finite
  at::Tensor grad_scale;  // float scalar: what the gradients are to be divided by
};

/// Throws c10::Error on a mismatch. Deterministic; waits for no device.
GradientSummary gradient_summary(const GradientSummaryInputs& inputs);

}  // namespace vim::ops

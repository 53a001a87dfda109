// What a step must know of all its gradients before it may use them: their norm, and the first that
// is not finite; and what its update is to do about them. One reading of the gradients.
//
//   norm = sqrt(sum of squares) / loss_scale
//   found_inf = 1 where norm or loss is not finite, else 0
//   grad_scale = max(1, (norm + 1e-6) / max_norm) * loss_scale: what the gradients are divided by
//
// Source: vim_spec 6.6.
#pragma once

#include <cstddef>

#include "kernels/types.h"

namespace vim::kernels {

/// What a summary holds, each value a double.
enum GradientSummaryValue : int64_t {
  kGradientNorm,
  kGradientFoundInf,
  kFirstNonFinite,  // index of the first gradient that is not finite; -1: there is none
  kNumGradientSummaryValues
};

struct GradientSummaryParams {
  int64_t size = 0;                   // number of gradients
  double max_norm = 0.0;              // 0: gradients are not clipped
  const float* gradients = nullptr;   // (size)
  const float* loss_scale = nullptr;  // one float, or null: 1
  const double* loss = nullptr;       // one double, or null: finite
  double* values = nullptr;           // (kNumGradientSummaryValues)
  float* found_inf = nullptr;         // one float
  float* grad_scale = nullptr;        // one float
  void* workspace = nullptr;          // of the size that the entry says
};

/// Throws std::invalid_argument for sizes that make no sense or a missing array.
void check_gradient_summary(const GradientSummaryParams& params);

/// The summary, its sum of squares in double. Not split: one call reads all. Deterministic.
void gradient_summary(const GradientSummaryParams& params);

}  // namespace vim::kernels

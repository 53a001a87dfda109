// The last steps of a gradient summary, shared by the CPU's and the GPU's version.
#pragma once

#include "kernels/gradient_summary.h"
#include "kernels/storage.h"

namespace vim::kernels {

template <typename T>
VIM_HOST_DEVICE bool is_finite_value(T value) {
  return value - value == T{0};  // inf - inf and NaN - NaN are NaN
}

/// Writes a summary. root: of the sum of squares; first_non_finite: -1 if there is none.
VIM_HOST_DEVICE inline void write_gradient_summary(
    const GradientSummaryParams& params, double root, int64_t first_non_finite) {
  const float loss_scale = params.loss_scale == nullptr ? 1.0F : *params.loss_scale;
  const double norm = root / loss_scale;
  const bool is_good =
      is_finite_value(norm) && (params.loss == nullptr || is_finite_value(*params.loss));
  params.values[kGradientNorm] = norm;
  params.values[kGradientFoundInf] = is_good ? 0.0 : 1.0;
  params.values[kFirstNonFinite] = static_cast<double>(first_non_finite);
  *params.found_inf = is_good ? 0.0F : 1.0F;
  float clip = 1.0F;
  if (params.max_norm > 0.0) {
    const double excess = (norm + 1e-6) / params.max_norm;
    clip = excess > 1.0 ? static_cast<float>(excess) : 1.0F;
  }
  *params.grad_scale = clip * loss_scale;
}

}  // namespace vim::kernels

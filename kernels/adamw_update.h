// AdamW's update of one element, and the factors that all elements share, as host and device
// compute them.
#pragma once

#include <cmath>

#include "kernels/adamw.h"
#include "kernels/storage.h"

namespace vim::kernels {

/// The factors of the formula in kernels/adamw.h.
struct AdamWFactors {
  float grad_scale;
  float beta1, one_minus_beta1;
  float beta2, one_minus_beta2;
  float value_decay;  // 1 - lr weight_decay
  float step_size;    // lr / (1 - beta1^t)
  float root_factor;  // 1 / sqrt(1 - beta2^t)
  float eps;
  float ema_weight;  // 1 - ema_decay
};

/// One element of each array.
struct AdamWElement {
  float value;
  float exp_avg;
  float exp_avg_sq;
};

/// Reads the scalars of params. The differences from 1 lose their leading digits, so they are
/// formed in double: 1 - 0.999 in float would be off by 1e-5 of itself.
VIM_HOST_DEVICE inline AdamWFactors adamw_factors(const AdamWParams& params) {
  const double lr = *params.lr * params.lr_scale;
  const double step = *params.step;
  AdamWFactors factors;
  factors.grad_scale = params.grad_scale == nullptr ? 1.0F : *params.grad_scale;
  factors.beta1 = static_cast<float>(params.beta1);
  factors.one_minus_beta1 = static_cast<float>(1.0 - params.beta1);
  factors.beta2 = static_cast<float>(params.beta2);
  factors.one_minus_beta2 = static_cast<float>(1.0 - params.beta2);
  factors.value_decay = static_cast<float>(1.0 - lr * params.weight_decay);
  factors.step_size = static_cast<float>(lr / (1.0 - pow(params.beta1, step)));
  factors.root_factor = static_cast<float>(1.0 / sqrt(1.0 - pow(params.beta2, step)));
  factors.eps = static_cast<float>(params.eps);
  factors.ema_weight = static_cast<float>(1.0 - params.ema_decay);
  return factors;
}

/// Advances one element. The fused multiply-adds are spelt out so that every compiler makes the
/// same ones.
VIM_HOST_DEVICE inline void adamw_update(
    const AdamWFactors& factors, float grad, AdamWElement& element) {
  const float g = grad / factors.grad_scale;
  element.exp_avg = fmaf(factors.beta1, element.exp_avg, factors.one_minus_beta1 * g);
  element.exp_avg_sq = fmaf(factors.beta2, element.exp_avg_sq, factors.one_minus_beta2 * g * g);
  const float denominator = fmaf(sqrtf(element.exp_avg_sq), factors.root_factor, factors.eps);
  const float direction = element.exp_avg / denominator;
  element.value = fmaf(-factors.step_size, direction, element.value * factors.value_decay);
}

/// The weight average after the update that gave `value`.
VIM_HOST_DEVICE inline float adamw_average(const AdamWFactors& factors, float ema, float value) {
  return fmaf(factors.ema_weight, value - ema, ema);
}

}  // namespace vim::kernels

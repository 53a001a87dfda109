// The target of one row of cross-entropy that is made from labels, as host and device compute it.
#pragma once

#include "kernels/cross_entropy.h"
#include "kernels/storage.h"

namespace vim::kernels {

/// target(c), mixed from the smoothed label and the smoothed label of the partner.
struct LabelTarget {
  SmoothTargets smooth;
  int64_t label;
  int64_t partner_label;
  float mix_lambda;

  VIM_HOST_DEVICE float operator()(int64_t c) const {
    const float own = c == label ? smooth.on : smooth.off;
    const float other = c == partner_label ? smooth.on : smooth.off;
    return mix_lambda * own + (1.0F - mix_lambda) * other;
  }
};

VIM_HOST_DEVICE inline LabelTarget label_target(
    const CrossEntropyParams& params, SmoothTargets smooth, int64_t row) {
  const int64_t label = params.labels[row];
  const int64_t partner = params.partner_labels == nullptr ? label : params.partner_labels[row];
  return {smooth, label, partner, params.mix_lambda == nullptr ? 1.0F : params.mix_lambda[row]};
}

}  // namespace vim::kernels

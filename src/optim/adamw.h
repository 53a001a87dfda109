// AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101) over a ParameterStore: one fused call per
// group.
#pragma once

#include <ATen/core/Tensor.h>

#include "src/optim/optim_options.h"
#include "src/optim/parameter_store.h"

namespace vim::optim {

/// Device scalars that steer one update; an undefined tensor leaves its part out.
struct UpdateControl {
  at::Tensor grad_scale;  // float: the gradients are divided by it, in place
  at::Tensor found_inf;   // float, 0 or 1: 1 leaves parameters, moments and step count as they are
};

/// Updates parameters and moments from the gradient buffer, counts the step and refreshes the
/// shadow. lr is the rate of this step (schedule.h); options give betas and eps; weight decay is
/// the group's. Throws c10::Error if the model's parameters left the store. Deterministic for one
/// thread count.
void adamw_step(
    ParameterStore& store,
    const AdamWOptions& options,
    double lr,
    const UpdateControl& control = {});

}  // namespace vim::optim

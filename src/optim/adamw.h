// AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101) over a ParameterStore: one fused call per
// group. On a GPU it is a kernel of our own, which also advances the weight average and writes the
// low-precision copy; on the CPU these are calls of LibTorch, one after the other.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <variant>

#include "src/optim/optim_options.h"
#include "src/optim/parameter_store.h"

namespace vim::optim {

/// What steers one update besides its options. The tensors are scalars on the store's device; an
/// undefined one leaves its part out.
struct UpdateControl {
  at::Tensor grad_scale;            // float: the gradients are divided by it
  at::Tensor found_inf;             // float, 0 or 1: 1 leaves all but the gradients as it is
  std::optional<double> ema_decay;  // of the weight average; absent: it is left as it is
};

/// A step's learning rate (schedule.h): a number, or a float scalar on the store's device, which a
/// captured step reads anew each time.
using LearningRate = std::variant<double, at::Tensor>;

/// Updates parameters and moments from the gradient buffer, counts the step, refreshes the shadow
/// and, with a decay, advances the weight average as update_ema does. options give betas and eps;
/// weight decay is the group's. Afterwards the gradients may have been divided or not. Throws
/// c10::Error if the model's parameters left the store. Deterministic for one thread count; waits
/// for no device.
void adamw_step(
    ParameterStore& store,
    const AdamWOptions& options,
    const LearningRate& lr,
    const UpdateControl& control = {});

}  // namespace vim::optim

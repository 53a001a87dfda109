// The global gradient norm, and what clipping makes of it, in calls of LibTorch: on a GPU the step
// has both from ops::gradient_summary.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "src/optim/adamw.h"
#include "src/optim/parameter_store.h"

namespace vim::optim {

/// Euclidean norm over all gradients: a double scalar on the store's device, without synchronising.
/// Summed in an order that depends on the layout alone, not on the thread count.
at::Tensor gradient_norm(const ParameterStore& store);

/// What one update must do about a gradient norm: multiply by min(1, max_norm / (norm + 1e-6)), and
/// skip where the norm is not finite. Without max_norm the gradients are not scaled. loss_scale:
/// the float scalar that loss and gradients were multiplied by, or undefined; `norm` is without it.
/// Nothing waits for the device.
UpdateControl control_update(
    const at::Tensor& norm, std::optional<double> max_norm, const at::Tensor& loss_scale = {});

}  // namespace vim::optim

// The small model that the official code was run on, with weights and input from formulas
// (vim_spec, A.3).
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "src/models/vision_mamba.h"

namespace vim::models {

/// The toy's options: img_size 64, depth 4, embed_dim 32, 5 classes, and `changes`, official names
/// as in "\"stride\": 8".
VisionMambaOptions toy_options(const std::string& changes = "");

/// Official initialisation from seed 0, in evaluation mode.
VisionMamba make_model(const VisionMambaOptions& options);

/// The same, and 0.05 cos(0.7 k + i) added to element k of parameter i.
VisionMamba make_toy(const VisionMambaOptions& options);

/// Element k is sin(factor k), computed in double.
at::Tensor sine_images(at::IntArrayRef shape, double factor);

/// sine_images for the toy: (2, 3, 64, 64).
at::Tensor toy_images();

}  // namespace vim::models

// Where class tokens stand in the sequence, and sequences without them.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "src/models/vision_mamba_options.h"

namespace vim::models {

/// Sequence slots of the class tokens among `num_patches` patches, in rising order; empty without
/// class tokens. kRandom gives the middle, its place where nothing is drawn (vim_spec 1.3).
std::vector<int64_t> cls_slots(ClsPosition position, int64_t num_patches);

/// tokens, (batch, seqlen, channels), without those in `slots`, which rise.
at::Tensor without_slots(const at::Tensor& tokens, const std::vector<int64_t>& slots);

/// The inverse: patches, (batch, seqlen, channels), and the tokens that stand in `slots` of the
/// whole sequence, (batch, slots, channels).
at::Tensor with_slots(
    const at::Tensor& patches, const at::Tensor& tokens, const std::vector<int64_t>& slots);

}  // namespace vim::models

// Targets of mixed images (vim_spec 5.5; timm 0.4.12, Mixup): the labels of an image and of its
// partner, weighted as src/data/mix.h has drawn.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "src/data/mix.h"

namespace vim::train {

/// How labels become targets.
struct TargetOptions {
  int64_t num_classes = 0;
  double smoothing = 0.0;
};

/// (batch, num_classes), float: off = s / K, on = 1 - s + s / K, own and partner's label weighted
/// by the image's target_lambda. There must be one label for each image of the groups, each in
/// [0, num_classes).
at::Tensor mixed_targets(
    const std::vector<int64_t>& labels,
    const std::vector<data::GroupMix>& groups,
    const TargetOptions& options);

/// The same without any mixing.
at::Tensor unmixed_targets(const std::vector<int64_t>& labels, const TargetOptions& options);

}  // namespace vim::train

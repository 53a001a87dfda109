// Classification losses. All are means over the batch, computed in float whatever the logits are.
#pragma once

#include <ATen/core/Tensor.h>

namespace vim::train {

/// mean of -sum(target * log_softmax(logits)). logits, targets: (batch, num_classes); the targets
/// of an image sum to 1.
at::Tensor soft_target_cross_entropy(const at::Tensor& logits, const at::Tensor& targets);

/// (1 - smoothing) * nll + smoothing * mean over classes of -log p; smoothing 0 is plain
/// cross-entropy. logits: (batch, num_classes); labels: (batch), int64. 0 <= smoothing < 1.
at::Tensor label_smoothing_cross_entropy(
    const at::Tensor& logits, const at::Tensor& labels, double smoothing);

}  // namespace vim::train

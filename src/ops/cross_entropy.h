// Mean cross-entropy with soft or smoothed targets, differentiable: loss and gradient of the logits
// in one pass over them.
#pragma once

#include <ATen/core/Tensor.h>

namespace vim::ops {

/// What the logits are compared with: targets (batch, num_classes), float, each row adding up to 1;
/// or labels (batch), int64, with `smoothing` in [0, 1) shared among all classes. The other is
/// undefined.
struct CrossEntropyTargets {
  at::Tensor targets;
  at::Tensor labels;
  double smoothing = 0.0;
};

/// Returns the mean over the batch of -sum(target * log_softmax(logits)), a float scalar. logits:
/// (batch, num_classes), float, contiguous. Labels on a GPU are not checked. Throws c10::Error on a
/// mismatch. Deterministic, bit for bit. Source: vim_spec 5.5.
at::Tensor cross_entropy(const at::Tensor& logits, const CrossEntropyTargets& targets);

}  // namespace vim::ops

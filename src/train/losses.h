// Classification losses. All are means over the batch, computed in float whatever the logits are.
#pragma once

#include <ATen/core/Tensor.h>

#include "src/train/loss_options.h"

namespace vim::train {

/// mean of -sum(target * log_softmax(logits)). logits, targets: (batch, num_classes); the targets
/// of an image sum to 1.
at::Tensor soft_target_cross_entropy(const at::Tensor& logits, const at::Tensor& targets);

/// (1 - smoothing) * nll + smoothing * mean over classes of -log p; smoothing 0 is plain
/// cross-entropy. logits: (batch, num_classes); labels: (batch), int64. 0 <= smoothing < 1.
at::Tensor label_smoothing_cross_entropy(
    const at::Tensor& logits, const at::Tensor& labels, double smoothing);

/// Mean over all batch * num_classes entries of the binary cross-entropy of sigmoid(logits). Both:
/// (batch, num_classes); targets in [0, 1].
at::Tensor sigmoid_cross_entropy(const at::Tensor& logits, const at::Tensor& targets);

/// 1 where a target is above `off_value`, the value of classes that an image does not show, else 0.
at::Tensor binarise(const at::Tensor& targets, double off_value);

/// Cosub's loss of two subnetworks (Touvron et al. 2022, arXiv 2212.04884): a quarter of the binary
/// cross-entropies of each one's logits with the targets, and with the other one's probabilities,
/// through which no gradient flows. logits: (2 * batch, num_classes), the first half of one, the
/// second of the other; targets: (batch, num_classes).
at::Tensor cosub_loss(const at::Tensor& logits, const at::Tensor& targets);

/// The teacher's share of a distillation loss, before it is weighted by alpha. kSoft: the
/// Kullback-Leibler divergence at temperature tau, summed, times tau^2 over the number of entries;
/// kHard: cross-entropy with the teacher's likeliest class. Both logits: (batch, num_classes); no
/// gradient flows to the teacher. Throws c10::Error for kNone. Source: vim_spec 6.5.
at::Tensor distillation_loss(
    const at::Tensor& student, const at::Tensor& teacher, const DistillationOptions& options);

}  // namespace vim::train

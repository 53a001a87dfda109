// On the CPU log_softmax does the numerically delicate part, and the rest are weighted sums; on a
// GPU one kernel gives loss and gradient.
#include "src/train/losses.h"

#include <ATen/ATen.h>

#include "src/ops/cross_entropy.h"

namespace vim::train {
namespace {

void check_logits(const at::Tensor& logits, const at::Tensor& wanted, int64_t wanted_dim) {
  TORCH_CHECK(
      logits.dim() == 2 && wanted.dim() == wanted_dim && wanted.size(0) == logits.size(0),
      "loss: logits must be (batch, num_classes) and go with the targets, got ",
      logits.sizes(),
      " and ",
      wanted.sizes());
}

}  // namespace

at::Tensor soft_target_cross_entropy(const at::Tensor& logits, const at::Tensor& targets) {
  check_logits(logits, targets, 2);
  if (logits.is_cuda()) {
    return ops::cross_entropy(logits.to(at::kFloat).contiguous(), {targets, {}, 0.0});
  }
  const at::Tensor log_probs = at::log_softmax(logits.to(at::kFloat), 1);
  return -(targets * log_probs).sum(1).mean();
}

at::Tensor label_smoothing_cross_entropy(
    const at::Tensor& logits, const at::Tensor& labels, double smoothing) {
  check_logits(logits, labels, 1);
  if (logits.is_cuda()) {
    return ops::cross_entropy(logits.to(at::kFloat).contiguous(), {{}, labels, smoothing});
  }
  const at::Tensor log_probs = at::log_softmax(logits.to(at::kFloat), 1);
  const at::Tensor nll = at::nll_loss(log_probs, labels);
  return smoothing == 0 ? nll : (1 - smoothing) * nll - smoothing * log_probs.mean();
}

}  // namespace vim::train

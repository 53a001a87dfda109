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

at::Tensor sigmoid_cross_entropy(const at::Tensor& logits, const at::Tensor& targets) {
  check_logits(logits, targets, 2);
  return at::binary_cross_entropy_with_logits(logits.to(at::kFloat), targets);
}

at::Tensor binarise(const at::Tensor& targets, double off_value) {
  return targets.gt(off_value).to(at::kFloat);
}

at::Tensor cosub_loss(const at::Tensor& logits, const at::Tensor& targets) {
  TORCH_CHECK(
      logits.dim() == 2 && logits.size(0) == 2 * targets.size(0),
      "cosub_loss: logits must hold two rows for each of the targets', got ",
      logits.sizes(),
      " and ",
      targets.sizes());
  const std::vector<at::Tensor> halves = logits.to(at::kFloat).chunk(2);
  const at::Tensor& first = halves[0];
  const at::Tensor& second = halves[1];
  const at::Tensor own =
      sigmoid_cross_entropy(first, targets) + sigmoid_cross_entropy(second, targets);
  const at::Tensor mutual = sigmoid_cross_entropy(first, second.detach().sigmoid()) +
                            sigmoid_cross_entropy(second, first.detach().sigmoid());
  return 0.25 * (own + mutual);
}

at::Tensor distillation_loss(
    const at::Tensor& student, const at::Tensor& teacher, const DistillationOptions& options) {
  TORCH_CHECK(
      options.kind != DistillationKind::kNone, "distillation_loss: options.kind must not be kNone");
  check_logits(student, teacher, 2);
  if (options.kind == DistillationKind::kHard) {
    return label_smoothing_cross_entropy(student, teacher.detach().argmax(1), 0.0);
  }
  const double tau = options.tau;
  const at::Tensor log_p = at::log_softmax(student.to(at::kFloat) / tau, 1);
  const at::Tensor log_q = at::log_softmax(teacher.detach().to(at::kFloat) / tau, 1);
  const at::Tensor divergence = (log_q.exp() * (log_q - log_p)).sum();
  return divergence * (tau * tau / static_cast<double>(student.numel()));
}

}  // namespace vim::train

#include "src/train/criterion.h"

#include <ATen/ATen.h>

#include <limits>

#include "src/core/error.h"
#include "src/models/vision_mamba.h"
#include "src/train/losses.h"

namespace vim::train {
namespace {

at::Tensor without_nan(const at::Tensor& loss) {
  constexpr double kLargest = std::numeric_limits<float>::max();
  return at::nan_to_num(loss, 0.0, kLargest, -kLargest);
}

}  // namespace

Criterion::Criterion(
    const LossOptions& options, double smoothing, std::shared_ptr<models::VisionMambaImpl> teacher)
    : options_(options), smoothing_(smoothing), teacher_(std::move(teacher)) {
  const bool has_teacher = options_.distillation.kind != DistillationKind::kNone;
  if (has_teacher && teacher_ == nullptr) {
    throw Error("distillation.teacher: there is none; name the file of its weights");
  }
  if (has_teacher && options_.cosub) {
    throw Error("loss.cosub: does not go with distillation.kind; choose one of the two");
  }
}

bool Criterion::needs_targets() const {
  return options_.kind == LossKind::kBinary || options_.cosub;
}

bool Criterion::shares_patches(const models::VisionMambaOptions& student) const {
  return teacher_ == nullptr || (teacher_->options().patch_size == student.patch_size &&
                                 teacher_->options().stride == student.stride);
}

at::Tensor Criterion::model_images(const at::Tensor& images) const {
  return options_.cosub ? at::cat({images, images}) : images;
}

at::Tensor Criterion::target_loss(const at::Tensor& logits, const PassInputs& inputs) const {
  if (options_.cosub) {
    return cosub_loss(logits, inputs.targets);
  }
  if (options_.kind == LossKind::kBinary) {
    return sigmoid_cross_entropy(logits, inputs.targets);
  }
  return inputs.targets.defined()
             ? soft_target_cross_entropy(logits, inputs.targets)
             : label_smoothing_cross_entropy(logits, inputs.labels, smoothing_);
}

at::Tensor Criterion::loss(
    const at::Tensor& logits, const PassInputs& inputs, const at::Tensor& images) const {
  at::Tensor loss = target_loss(logits, inputs);
  const DistillationOptions& distillation = options_.distillation;
  if (distillation.kind != DistillationKind::kNone) {
    at::Tensor answer;
    {
      const at::NoGradGuard no_grad;
      answer = teacher_->forward(images);
    }
    const at::Tensor taught = distillation_loss(logits, answer, distillation);
    loss = (1 - distillation.alpha) * loss + distillation.alpha * taught;
  }
  return options_.nan_to_num ? without_nan(loss) : loss;
}

}  // namespace vim::train

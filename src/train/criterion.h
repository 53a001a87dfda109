// From the logits of one training pass to its loss: targets, subnetworks and teacher as the options
// have them.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

#include "src/models/vision_mamba_options.h"
#include "src/train/batch_input.h"
#include "src/train/loss_options.h"

namespace vim::models {
class VisionMambaImpl;
}

namespace vim::train {

class Criterion {
 public:
  /// smoothing: of labels that come without targets. teacher: in evaluation mode, on the device and
  /// in the precision of the passes; needed for distillation, else empty. Throws vim::Error for a
  /// teacher that is missing, or options that contradict each other.
  Criterion(
      const LossOptions& options,
      double smoothing,
      std::shared_ptr<models::VisionMambaImpl> teacher);

  /// Whether every pass brings targets, (batch, num_classes), in place of labels.
  bool needs_targets() const;

  /// Whether the teacher, if there is one, can take the patches that are cut for the student.
  bool shares_patches(const models::VisionMambaOptions& student) const;

  /// What the model sees: the images, or with cosub all of them twice.
  at::Tensor model_images(const at::Tensor& images) const;

  /// The mean loss of a pass, a float scalar. logits: the model's answer to model_images(images).
  at::Tensor loss(
      const at::Tensor& logits, const PassInputs& inputs, const at::Tensor& images) const;

 private:
  at::Tensor target_loss(const at::Tensor& logits, const PassInputs& inputs) const;

  LossOptions options_;
  double smoothing_;
  std::shared_ptr<models::VisionMambaImpl> teacher_;
};

}  // namespace vim::train

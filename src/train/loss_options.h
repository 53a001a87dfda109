// Options of the training loss. Free of LibTorch.
#pragma once

#include <string>

namespace vim::train {

/// Cross-entropy with soft targets, or one binary cross-entropy for each class, where every class
/// that takes part in a mix is positive.
enum class LossKind { kCrossEntropy, kBinary };

/// What a student learns from its teacher: nothing, its softened probabilities, or its answer.
enum class DistillationKind { kNone, kSoft, kHard };

/// Loss = (1 - alpha) * loss of the targets + alpha * loss of the teacher. Source: Hinton et al.
/// 2015 (arXiv 1503.02531), Touvron et al. 2021 (arXiv 2012.12877, section 4).
struct DistillationOptions {
  DistillationKind kind = DistillationKind::kNone;
  double alpha = 0.5;
  double tau = 1.0;                 // temperature of soft distillation
  std::string teacher = {};         // file of the teacher's weights
  std::string teacher_config = {};  // its YAML file; empty: the weights' own configuration
};

struct LossOptions {
  LossKind kind = LossKind::kCrossEntropy;
  bool cosub = false;       // train two subnetworks of the batch on each other (arXiv 2212.04884)
  bool nan_to_num = false;  // official option: NaN becomes 0 and infinity the largest float
  DistillationOptions distillation;
};

}  // namespace vim::train

// One cross-entropy problem for every implementation: the cases, their inputs, the definition in
// double and the buffers of a run.
#pragma once

#include <vector>

#include "kernels/cross_entropy.h"
#include "tests/kernels/kernel_buffers.h"

namespace vim::tests {

struct LossCase {
  const char* name;
  int64_t rows;
  int64_t num_classes;
  double smoothing = 0.0;
  bool has_mix = false;
  bool has_targets = false;
  double scale = 3.0;  // of the logits
  double offset = 0.0;
};

/// One class, odd and usual numbers of them, mixing, dense targets, logits far from 0.
const std::vector<LossCase>& loss_cases();

struct LossResults {
  Values loss, dlogits;
};

/// Buffers, preset to NaN, and parameters of one case.
struct LossRun {
  std::vector<float> logits, targets, mix_lambda, loss, dlogits;
  std::vector<int64_t> labels, partner_labels;
  kernels::CrossEntropyParams params;

  explicit LossRun(const LossCase& test);
  LossRun(const LossRun&) = delete;
};

/// The target of every class of every row, in double, from labels or as given.
Values loss_targets(const kernels::CrossEntropyParams& params);

/// Loss and gradient in double from log_softmax, logits and targets as the kernel sees them.
LossResults loss_oracle(const kernels::CrossEntropyParams& params);

/// -sum(target * log_softmax(logits)) of one row.
double row_loss(const Values& logits, const Values& targets);

}  // namespace vim::tests

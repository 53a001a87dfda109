// Soft-target cross-entropy over rows of `num_classes` logits, and its gradient, in one pass.
//
//   target = mix_lambda * smooth(label) + (1 - mix_lambda) * smooth(partner_label), where
//   smooth(t) = 1 - s + s / K at class t and s / K elsewhere      (s = smoothing, K = num_classes)
//   loss = -sum(target * log_softmax(logits))
//   dlogits = (softmax(logits) * sum(target) - target) * grad_scale
//
// Everything is float. Source: vim_spec 5.5, 6.5.
#pragma once

#include "kernels/types.h"

namespace vim::kernels {

struct CrossEntropyParams {
  int64_t rows = 0;
  int64_t num_classes = 0;
  float smoothing = 0.0F;                   // 0 <= s < 1; not used with targets
  float grad_scale = 1.0F;                  // 1 / batch for the gradient of the mean
  const float* logits = nullptr;            // (rows, num_classes)
  const int64_t* labels = nullptr;          // (rows), in [0, num_classes)
  const int64_t* partner_labels = nullptr;  // (rows), or null: the labels themselves
  const float* mix_lambda = nullptr;        // (rows), or null: 1
  const float* targets = nullptr;           // (rows, num_classes), read instead of labels if given
  float* loss = nullptr;                    // (rows)
  float* dlogits = nullptr;                 // (rows, num_classes), may be logits; null: not wanted
};

/// Target of a class that is not the label, and of one that is, before mixing.
struct SmoothTargets {
  float off = 0.0F;
  float on = 0.0F;
};

/// In double, then rounded once.
SmoothTargets smooth_targets(const CrossEntropyParams& params);

/// Throws std::invalid_argument for sizes that make no sense or a missing array.
void check_cross_entropy(const CrossEntropyParams& params);

/// One row per row of logits.
int64_t cross_entropy_num_rows(const CrossEntropyParams& params);

/// Computes loss and dlogits. Throws std::invalid_argument as check_cross_entropy does, and for a
/// label outside the classes. Deterministic.
void cross_entropy(const CrossEntropyParams& params, RowRange rows);

struct LossSumParams {
  int64_t rows = 0;
  float scale = 1.0F;           // 1 / batch for the mean
  const float* loss = nullptr;  // (rows)
  float* total = nullptr;       // one float: scale * sum(loss)
};

/// Throws std::invalid_argument for sizes that make no sense or a missing array.
void check_loss_sum(const LossSumParams& params);

/// Adds the rows in order, in double. Not split: one call does all rows. Deterministic.
void loss_sum(const LossSumParams& params);

}  // namespace vim::kernels

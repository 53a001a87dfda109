// Counting correct answers, and means that can be continued after an interruption.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace vim::train {

/// How many of count_top_k's images there are, an int64 scalar on the logits' device.
at::Tensor top_k_hits(const at::Tensor& logits, const at::Tensor& labels, int64_t k);

/// Images whose label is among the k highest logits, ties counted in favour of lower class numbers.
/// logits: (batch, num_classes), float; labels: (batch), int64. A NaN logit makes its image wrong.
int64_t count_top_k(const at::Tensor& logits, const at::Tensor& labels, int64_t k);

/// The k likeliest classes of each image (all, if there are fewer), ties in favour of lower class
/// numbers: (batch, k), int64, on the logits' device. -1 stands for a class whose logit is not
/// finite. A label is among them exactly where top_k_hits counts it.
at::Tensor top_classes(const at::Tensor& logits, int64_t k);

/// A mean of values with weights. Plain data: it is stored in checkpoints.
struct RunningMean {
  double sum = 0.0;
  double weight = 0.0;

  void add(double value, double value_weight = 1.0);
  double mean() const;  // NaN while empty

  bool operator==(const RunningMean&) const = default;
};

}  // namespace vim::train

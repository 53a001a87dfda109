// The rank of the label's logit is counted directly: no sort, and the order of ties is defined.
#include "src/train/metrics.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>

namespace vim::train {

at::Tensor top_k_hits(const at::Tensor& logits, const at::Tensor& labels, int64_t k) {
  TORCH_CHECK(
      logits.dim() == 2 && labels.dim() == 1 && labels.size(0) == logits.size(0),
      "top_k: logits must be (batch, num_classes) and labels (batch), got ",
      logits.sizes(),
      " and ",
      labels.sizes());
  const at::Tensor own = logits.gather(1, labels.unsqueeze(1));
  const at::Tensor classes = at::arange(logits.size(1), labels.options()).unsqueeze(0);
  // Written so that a comparison with NaN counts against the image.
  const at::Tensor is_behind =
      logits.lt(own).logical_or(logits.eq(own).logical_and(classes.ge(labels.unsqueeze(1))));
  const at::Tensor rank = is_behind.logical_not().sum(1);
  return rank.lt(k).logical_and(at::isfinite(own).squeeze(1)).sum();
}

int64_t count_top_k(const at::Tensor& logits, const at::Tensor& labels, int64_t k) {
  return top_k_hits(logits, labels, k).item<int64_t>();
}

at::Tensor top_classes(const at::Tensor& logits, int64_t k) {
  TORCH_CHECK(
      logits.dim() == 2, "top_k: logits must be (batch, num_classes), got ", logits.sizes());
  // NaN sorts before everything, as it counts against the other classes in top_k_hits.
  const auto [sorted, classes] = at::sort(logits, /*stable=*/true, /*dim=*/1, /*descending=*/true);
  const int64_t places = std::min(k, logits.size(1));
  return classes.masked_fill(at::isfinite(sorted).logical_not(), -1).narrow(1, 0, places);
}

void RunningMean::add(double value, double value_weight) {
  sum += value * value_weight;
  weight += value_weight;
}

double RunningMean::mean() const {
  return weight == 0 ? std::numeric_limits<double>::quiet_NaN() : sum / weight;
}

}  // namespace vim::train

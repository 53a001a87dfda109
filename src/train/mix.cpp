// One row of weights for each image.
#include "src/train/mix.h"

#include <ATen/ATen.h>

namespace vim::train {
namespace {

void check_labels(
    const std::vector<int64_t>& labels,
    const std::vector<data::GroupMix>& groups,
    int64_t num_classes) {
  size_t num_images = 0;
  for (const data::GroupMix& group : groups) {
    num_images += group.size();
  }
  TORCH_CHECK(
      labels.size() == num_images,
      "mixed_targets: ",
      labels.size(),
      " labels for groups of together ",
      num_images,
      " images");
  for (const int64_t label : labels) {
    TORCH_CHECK_INDEX(
        label >= 0 && label < num_classes,
        "mixed_targets: label ",
        label,
        " is not below num_classes ",
        num_classes);
  }
}

}  // namespace

at::Tensor mixed_targets(
    const std::vector<int64_t>& labels,
    const std::vector<data::GroupMix>& groups,
    const TargetOptions& options) {
  check_labels(labels, groups, options.num_classes);
  const double off = options.smoothing / static_cast<double>(options.num_classes);
  const double extra = 1.0 - options.smoothing;  // on - off
  const auto batch = static_cast<int64_t>(labels.size());
  at::Tensor targets = at::full({batch, options.num_classes}, off, at::kFloat);
  auto rows = targets.accessor<float, 2>();
  int64_t first = 0;
  for (const data::GroupMix& group : groups) {
    const auto size = static_cast<int64_t>(group.size());
    for (int64_t place = 0; place < size; ++place) {
      const double own = group[static_cast<size_t>(place)].target_lambda;
      const int64_t label = labels[static_cast<size_t>(first + place)];
      const int64_t other = labels[static_cast<size_t>(first + size - 1 - place)];
      rows[first + place][label] += static_cast<float>(own * extra);
      rows[first + place][other] += static_cast<float>((1.0 - own) * extra);
    }
    first += size;
  }
  return targets;
}

at::Tensor unmixed_targets(const std::vector<int64_t>& labels, const TargetOptions& options) {
  return mixed_targets(labels, {data::GroupMix(labels.size())}, options);
}

}  // namespace vim::train

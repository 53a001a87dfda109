// Only factors and boxes are made here; the pixels are mixed by the image kernel.
#include "src/train/mix.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "src/core/error.h"

namespace vim::train {
namespace {

// Place of the mirrored image within the group that image `index` belongs to.
int64_t partner_of(int64_t index, int64_t group_size) {
  const int64_t first = index / group_size * group_size;
  return first + group_size - 1 - (index - first);
}

}  // namespace

bool is_mixing(const data::AugmentOptions& options) {
  return options.mix_prob > 0 && (options.mixup_alpha > 0 || options.cutmix_alpha > 0);
}

int64_t mix_group_size(const data::AugmentOptions& options, int64_t global_batch) {
  if (!is_mixing(options)) {
    return 1;
  }
  const int64_t size = options.mix_group == 0 ? global_batch : options.mix_group;
  if (size <= 0 || global_batch % size != 0) {
    throw Error(fmt::format(
        "augment.mix_group: {} does not divide train.global_batch {}; choose a divisor",
        size,
        global_batch));
  }
  return size;
}

GroupMix cutmix_around(double lambda, int64_t centre_y, int64_t centre_x, const ImageSize& size) {
  const double side = std::sqrt(1.0 - lambda);
  const auto half_height = static_cast<int64_t>(static_cast<double>(size.height) * side) / 2;
  const auto half_width = static_cast<int64_t>(static_cast<double>(size.width) * side) / 2;
  const auto clip = [](int64_t value, int64_t end) {
    return static_cast<int32_t>(std::clamp<int64_t>(value, 0, end));
  };
  GroupMix mix;
  mix.y0 = clip(centre_y - half_height, size.height);
  mix.y1 = clip(centre_y + half_height, size.height);
  mix.x0 = clip(centre_x - half_width, size.width);
  mix.x1 = clip(centre_x + half_width, size.width);
  const auto area = static_cast<double>((mix.y1 - mix.y0) * (mix.x1 - mix.x0));
  mix.target_lambda = 1.0 - area / static_cast<double>(size.height * size.width);
  return mix;
}

GroupMix draw_group_mix(
    const data::AugmentOptions& options, const ImageSize& size, core::Random& random) {
  if (!is_mixing(options) || random.uniform(0.0, 1.0) >= options.mix_prob) {
    return {};
  }
  const bool has_both = options.mixup_alpha > 0 && options.cutmix_alpha > 0;
  const bool is_cutmix =
      has_both ? random.uniform(0.0, 1.0) < options.mix_switch_prob : options.cutmix_alpha > 0;
  const double alpha = is_cutmix ? options.cutmix_alpha : options.mixup_alpha;
  const double lambda = random.beta(alpha, alpha);
  if (is_cutmix) {
    const int64_t centre_y = random.uniform_int(0, size.height - 1);
    const int64_t centre_x = random.uniform_int(0, size.width - 1);
    return cutmix_around(lambda, centre_y, centre_x, size);
  }
  GroupMix mix;
  mix.pixel_lambda = lambda;
  mix.target_lambda = lambda;
  return mix;
}

std::vector<kernels::SampleMix> mix_samples(
    const std::vector<GroupMix>& groups, int64_t group_size) {
  std::vector<kernels::SampleMix> samples;
  samples.reserve(groups.size() * static_cast<size_t>(group_size));
  for (const GroupMix& group : groups) {
    for (int64_t place = 0; place < group_size; ++place) {
      kernels::SampleMix sample;
      sample.partner = partner_of(static_cast<int64_t>(samples.size()), group_size);
      sample.mix_lambda = static_cast<float>(group.pixel_lambda);
      sample.y0 = group.y0;
      sample.y1 = group.y1;
      sample.x0 = group.x0;
      sample.x1 = group.x1;
      samples.push_back(sample);
    }
  }
  return samples;
}

at::Tensor mixed_targets(
    const std::vector<int64_t>& labels,
    const std::vector<GroupMix>& groups,
    const TargetOptions& options) {
  const auto batch = static_cast<int64_t>(labels.size());
  TORCH_CHECK(
      !groups.empty() && labels.size() % groups.size() == 0,
      "mixed_targets: ",
      labels.size(),
      " labels do not fill ",
      groups.size(),
      " groups");
  for (const int64_t label : labels) {
    TORCH_CHECK_INDEX(
        label >= 0 && label < options.num_classes,
        "mixed_targets: label ",
        label,
        " is not below num_classes ",
        options.num_classes);
  }
  const int64_t group_size = batch / static_cast<int64_t>(groups.size());
  const double off = options.smoothing / static_cast<double>(options.num_classes);
  const double extra = 1.0 - options.smoothing;  // on - off
  at::Tensor targets = at::full({batch, options.num_classes}, off, at::kFloat);
  auto rows = targets.accessor<float, 2>();
  for (int64_t i = 0; i < batch; ++i) {
    const double own = groups[static_cast<size_t>(i / group_size)].target_lambda;
    const int64_t label = labels[static_cast<size_t>(i)];
    const int64_t other = labels[static_cast<size_t>(partner_of(i, group_size))];
    rows[i][label] += static_cast<float>(own * extra);
    rows[i][other] += static_cast<float>((1.0 - own) * extra);
  }
  return targets;
}

at::Tensor unmixed_targets(const std::vector<int64_t>& labels, const TargetOptions& options) {
  return mixed_targets(labels, std::vector<GroupMix>(labels.size()), options);
}

}  // namespace vim::train

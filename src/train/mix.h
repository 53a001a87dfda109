// Mixup (arXiv 1710.09412) and CutMix (arXiv 1905.04899) as the official recipe applies them: one
// draw for a group of images, each mixed with the one at the mirrored place of its group
// (vim_spec 5.5).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "kernels/image_batch.h"
#include "src/core/philox.h"
#include "src/data/data_options.h"

namespace vim::train {

/// How all images of one group are mixed. The default mixes nothing.
struct GroupMix {
  double pixel_lambda = 1.0;   // weight of the image's own pixels outside the box
  double target_lambda = 1.0;  // weight of the image's own label
  int32_t y0 = 0;              // box [y0, y1) x [x0, x1) filled by the partner
  int32_t y1 = 0;
  int32_t x0 = 0;
  int32_t x1 = 0;
};

struct ImageSize {
  int64_t height = 0;
  int64_t width = 0;
};

/// Whether the options ask for any mixing.
bool is_mixing(const data::AugmentOptions& options);

/// Images in one group: mix_group, or the whole global batch; 1 without mixing. Throws vim::Error
/// if groups do not fill the global batch.
int64_t mix_group_size(const data::AugmentOptions& options, int64_t global_batch);

/// CutMix with lambda in [0, 1] around a centre: a box of sqrt(1 - lambda) of each side, cut off at
/// the border; the label's weight follows the area that is left.
GroupMix cutmix_around(double lambda, int64_t centre_y, int64_t centre_x, const ImageSize& size);

/// Draws, in this order: whether to mix, whether CutMix, lambda, the centre's row and column.
GroupMix draw_group_mix(
    const data::AugmentOptions& options, const ImageSize& size, core::Random& random);

/// What the image kernel does to a batch made of whole groups of `group_size`.
std::vector<kernels::SampleMix> mix_samples(
    const std::vector<GroupMix>& groups, int64_t group_size);

/// How labels become targets.
struct TargetOptions {
  int64_t num_classes = 0;
  double smoothing = 0.0;
};

/// (batch, num_classes), float: off = s / K, on = 1 - s + s / K, own and partner's label weighted
/// by target_lambda. labels.size() must be groups.size() * group_size, each in [0, num_classes).
at::Tensor mixed_targets(
    const std::vector<int64_t>& labels,
    const std::vector<GroupMix>& groups,
    const TargetOptions& options);

/// The same without any mixing.
at::Tensor unmixed_targets(const std::vector<int64_t>& labels, const TargetOptions& options);

}  // namespace vim::train

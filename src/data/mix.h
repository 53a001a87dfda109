// Mixup (arXiv 1710.09412) and CutMix (arXiv 1905.04899) as the official recipe applies them: each
// image of a group is mixed with the one at the mirrored place of its group, by one draw for the
// group, for each such pair or for each image (vim_spec 5.5; timm 0.4.12, Mixup).
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/image_batch.h"
#include "src/core/philox.h"
#include "src/data/data_options.h"
#include "src/data/image/image.h"
#include "src/data/step_images.h"

namespace vim::data {

/// How one image is mixed. The default mixes nothing.
struct ImageMix {
  double pixel_lambda = 1.0;   // weight of the image's own pixels outside the box
  double target_lambda = 1.0;  // weight of the image's own label
  int32_t y0 = 0;              // box [y0, y1) x [x0, x1) filled by the partner
  int32_t y1 = 0;
  int32_t x0 = 0;
  int32_t x1 = 0;
};

/// How the images of one group are mixed, place by place.
using GroupMix = std::vector<ImageMix>;

/// Whether the options ask for any mixing.
bool is_mixing(const AugmentOptions& options);

/// Images in one group: mix_group, or the whole global batch; 1 without mixing. Throws vim::Error
/// if groups do not fill the global batch.
int64_t mix_group_size(const AugmentOptions& options, int64_t global_batch);

/// CutMix with lambda in [0, 1] around a centre: a box of sqrt(1 - lambda) of each side, cut off at
/// the border; the label's weight follows the area that is left.
ImageMix cutmix_around(double lambda, int64_t centre_y, int64_t centre_x, const Size& size);

/// Draws, in this order: whether to mix, whether CutMix, then for Mixup lambda, for CutMix lambda
/// and the centre's row and column, or with cutmix_minmax height, width, top row and left column.
/// Throws vim::Error if cutmix_minmax leaves no box of whole pixels.
ImageMix draw_mix(const AugmentOptions& options, const Size& size, core::Random& random);

/// The draws of a group of `group_size` images, one for all, for each pair or for each image as
/// mix_mode says. key: of the group; its position is set to the place of pair or image.
GroupMix draw_group_mix(
    const AugmentOptions& options, const Size& size, int64_t group_size, core::RandomKey key);

/// The draws of whole groups of `group_size` images, each keyed by the group's place in the global
/// batch.
std::vector<GroupMix> draw_mixes(
    const AugmentOptions& options, const Size& size, int64_t group_size, const StepImages& images);

/// What the image kernel does to a batch made of these groups, one after the other.
std::vector<kernels::SampleMix> mix_samples(const std::vector<GroupMix>& groups);

}  // namespace vim::data

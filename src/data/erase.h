// Random erasing (Zhong et al. 2017, arXiv 1708.04896) as the official recipe applies it: boxes are
// drawn here, the pixels are erased by the image kernel, before mixing (vim_spec 5.2, step 5).
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "kernels/image_batch.h"
#include "src/core/philox.h"
#include "src/data/data_options.h"
#include "src/data/step_images.h"

namespace vim::data {

/// Whether the options ask for erasing.
bool is_erasing(const AugmentOptions& options);

/// What the image kernel fills boxes with: a colour for `const` and `rand`, noise for `pixel`.
kernels::EraseFill erase_fill(const AugmentOptions& options);

/// The erase_count boxes of one image of [height, width]; those that are not used are empty. Draws,
/// in this order: whether to erase, how many boxes (where there is a choice), then for each box the
/// colour's channels or the noise's key, and up to ten times area and aspect until the box is
/// smaller than the image in both directions, then its line and column.
std::vector<kernels::EraseBox> draw_erase_boxes(
    const AugmentOptions& options, const std::array<int64_t, 2>& img_size, core::Random& random);

/// The erase_count boxes of each image, image by image, each drawn by its place in the global
/// batch; empty if the options ask for no erasing.
std::vector<kernels::EraseBox> draw_erasing(
    const AugmentOptions& options,
    const std::array<int64_t, 2>& img_size,
    const StepImages& images);

}  // namespace vim::data

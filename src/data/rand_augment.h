// RandAugment: a few operations an image, drawn with their severity.
#pragma once

#include <vector>

#include "src/core/philox.h"
#include "src/data/image/image_op.h"
#include "src/data/rand_augment_options.h"

namespace vim::data {

/// Returns the operations for one image, in order. A layer draws one of 15 operations, uniformly
/// or, if weighted, by fixed weights without repeating one; with probability 1/2 it is left out. A
/// magnitude m in [0, 10] is drawn for each operation and sets its amount: rotate +-3 m degrees;
/// shear +-0.03 m; translate +-0.045 m; solarize_add int(11 m); and, increasing (or not):
/// posterize 4 - int(0.4 m) bits (int(0.4 m)), solarize from 256 - int(25.6 m) (int(25.6 m)),
/// color, contrast, brightness, sharpness 1 +- 0.09 m (0.1 + 0.18 m). Source: Cubuk et al. 2019
/// (arXiv 1909.13719) with the ranges of timm 0.4.12.
std::vector<ImageOp> draw_rand_augment(const RandAugmentOptions& options, core::Random& random);

}  // namespace vim::data

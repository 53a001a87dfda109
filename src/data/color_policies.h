// The policies beside RandAugment that draw colour operations for an image: ThreeAugment and colour
// jitter.
#pragma once

#include <array>

#include "src/core/philox.h"
#include "src/data/image/image_op.h"

namespace vim::data {

/// Greyscale, inversion of the values from 128 on, or a Gaussian blur of a radius uniform in
/// [0.1, 2): one of them, equally likely. Source: Touvron et al. 2022 (arXiv 2204.07118), section
/// 3.
ImageOp draw_three_augment(core::Random& random);

/// Brightness, contrast and saturation in random order, each with a factor uniform in
/// [max(0, 1 - strength), 1 + strength). strength >= 0.
std::array<ImageOp, 3> draw_color_jitter(double strength, core::Random& random);

}  // namespace vim::data

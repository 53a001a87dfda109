// Which part of an image becomes the model's input, and mirroring: the geometry of timm (training)
// and torchvision (evaluation).
#pragma once

#include <cstdint>

#include "src/core/philox.h"
#include "src/data/data_options.h"
#include "src/data/image/image.h"
#include "src/data/image/resize.h"

namespace vim::data {

/// One random resized crop: up to ten draws of area fraction and log aspect ratio, then a centred
/// fallback of the nearest allowed ratio. Never empty. Source: Szegedy et al. 2015 (arXiv
/// 1409.4842), with the rounding of timm.
Box random_resized_crop_box(
    int64_t image_height, int64_t image_width, const AugmentOptions& options, core::Random& random);

/// The smallest size of the image's shape that covers `target`; the longer side is cut to an
/// integer.
Size covering_size(const Size& image, const Size& target);

/// Resizing until the image just covers int(target / options.eval_crop_ratio) on both axes, of
/// which the middle is wanted; offsets are rounded half to even. Targets of at most 32 pixels are
/// just covered.
ResizeTarget centre_crop(const Size& image, const AugmentOptions& options, const Size& target);

/// What lies beyond an image: black, or its mirror image without the border itself repeated.
enum class Border { kZero, kReflect };

/// Writes a part of the target's size, drawn uniformly from all places in the image framed by
/// `padding` pixels, to `out`. The framed image must not be smaller than the target.
void random_crop(
    const ImageView& image,
    int64_t padding,
    Border border,
    const Size& target,
    core::Random& random,
    uint8_t* out);

/// Swaps left and right.
void mirror(const ImageSpan& image);

}  // namespace vim::data

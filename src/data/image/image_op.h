// The image operations of augmentation policies, as data: what to do and how strongly.
#pragma once

#include <cstdint>
#include <vector>

#include "src/data/image/affine.h"
#include "src/data/image/image.h"

namespace vim::data {

enum class OpKind {
  kAutocontrast,
  kEqualize,
  kInvert,
  kRotate,
  kPosterize,
  kSolarize,
  kSolarizeAdd,
  kColor,
  kContrast,
  kBrightness,
  kSharpness,
  kShearX,
  kShearY,
  kTranslateX,
  kTranslateY,
  kGreyscale,
  kGaussianBlur,
};

/// One operation. `amount`: degrees (rotate), bits kept (posterize), threshold (solarize), value
/// added below 128 (solarize_add), blending factor (color, contrast, brightness, sharpness), pixels
/// sideways per pixel (shear), fraction of width or height (translate), standard deviation in
/// pixels (gaussian blur); the others take none. Integers are given whole.
struct ImageOp {
  OpKind kind = OpKind::kAutocontrast;
  double amount = 0.0;
};

/// Applies it in place. `sampling` serves rotate, shear and translate; `scratch` is resized as
/// needed.
void apply_op(
    const ImageOp& op,
    const ImageSpan& image,
    const AffineSampling& sampling,
    std::vector<uint8_t>& scratch);

}  // namespace vim::data

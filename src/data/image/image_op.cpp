// From an operation's kind to its function: geometric ones become maps, the rest one call each.
#include "src/data/image/image_op.h"

#include <optional>

#include "src/data/image/blur.h"
#include "src/data/image/color_ops.h"
#include "src/data/image/enhance.h"

namespace vim::data {
namespace {

std::optional<AffineMap> map_of(const ImageOp& op, const ImageSpan& image) {
  switch (op.kind) {
    case OpKind::kShearX:
      return shear_x_map(op.amount);
    case OpKind::kShearY:
      return shear_y_map(op.amount);
    case OpKind::kTranslateX:
      return translation_map(op.amount * static_cast<double>(image.width), 0);
    case OpKind::kTranslateY:
      return translation_map(0, op.amount * static_cast<double>(image.height));
    default:
      return std::nullopt;
  }
}

// Operations that look at pixels one by one; false for another kind.
bool apply_to_colors(const ImageOp& op, const ImageSpan& image) {
  const auto integer = static_cast<int>(op.amount);
  switch (op.kind) {
    case OpKind::kAutocontrast:
      autocontrast(image);
      return true;
    case OpKind::kEqualize:
      equalize(image);
      return true;
    case OpKind::kInvert:
      invert(image);
      return true;
    case OpKind::kPosterize:
      posterize(image, integer);
      return true;
    case OpKind::kSolarize:
      solarize(image, integer);
      return true;
    case OpKind::kSolarizeAdd:
      solarize_add(image, integer);
      return true;
    case OpKind::kColor:
      adjust_saturation(image, op.amount);
      return true;
    case OpKind::kContrast:
      adjust_contrast(image, op.amount);
      return true;
    case OpKind::kBrightness:
      adjust_brightness(image, op.amount);
      return true;
    case OpKind::kGreyscale:
      greyscale(image);
      return true;
    default:
      return false;
  }
}

}  // namespace

void apply_op(
    const ImageOp& op,
    const ImageSpan& image,
    const AffineSampling& sampling,
    std::vector<uint8_t>& scratch) {
  if (const std::optional<AffineMap> map = map_of(op, image)) {
    transform_affine(image, *map, sampling, scratch);
  } else if (op.kind == OpKind::kRotate) {
    rotate(image, op.amount, sampling, scratch);
  } else if (op.kind == OpKind::kSharpness) {
    adjust_sharpness(image, op.amount, scratch);
  } else if (op.kind == OpKind::kGaussianBlur) {
    gaussian_blur(image, op.amount, scratch);
  } else {
    apply_to_colors(op, image);
  }
}

}  // namespace vim::data

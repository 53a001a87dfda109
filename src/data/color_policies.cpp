// Draws of colour operations.
#include "src/data/color_policies.h"

#include <algorithm>
#include <utility>

namespace vim::data {

ImageOp draw_three_augment(core::Random& random) {
  switch (random.uniform_int(0, 2)) {
    case 0:
      return {OpKind::kGreyscale, 0.0};
    case 1:
      return {OpKind::kSolarize, 128.0};
    default:
      return {OpKind::kGaussianBlur, random.uniform(0.1, 2.0)};
  }
}

std::array<ImageOp, 3> draw_color_jitter(double strength, core::Random& random) {
  std::array<ImageOp, 3> ops = {
      {{OpKind::kBrightness, 1.0}, {OpKind::kContrast, 1.0}, {OpKind::kColor, 1.0}}};
  for (ImageOp& op : ops) {
    op.amount = random.uniform(std::max(0.0, 1.0 - strength), 1.0 + strength);
  }
  std::swap(ops[2], ops[static_cast<size_t>(random.uniform_int(0, 2))]);
  std::swap(ops[1], ops[static_cast<size_t>(random.uniform_int(0, 1))]);
  return ops;
}

}  // namespace vim::data

// Boxes, offsets and copies.
#include "src/data/crop.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace vim::data {
namespace {

constexpr int kCropTries = 10;
constexpr int64_t kLargestUncroppedInput = 32;

// Python's round(): halves go to the even neighbour, which is the default rounding mode.
int64_t round_half_even(double value) { return static_cast<int64_t>(std::nearbyint(value)); }

// The largest centred box of the nearest allowed ratio, or the whole image.
Box fallback_box(int64_t height, int64_t width, const std::array<double, 2>& ratio) {
  const double image_ratio = static_cast<double>(width) / static_cast<double>(height);
  Box box{0, 0, height, width};
  if (image_ratio < ratio[0]) {
    box.height = round_half_even(static_cast<double>(width) / ratio[0]);
  } else if (image_ratio > ratio[1]) {
    box.width = round_half_even(static_cast<double>(height) * ratio[1]);
  }
  box.height = std::clamp<int64_t>(box.height, 1, height);
  box.width = std::clamp<int64_t>(box.width, 1, width);
  box.top = (height - box.height) / 2;
  box.left = (width - box.width) / 2;
  return box;
}

// A position beyond [0, size) mirrored at the borders until it lies inside.
int64_t reflect(int64_t position, int64_t size) {
  if (size == 1) {
    return 0;
  }
  const int64_t period = 2 * (size - 1);
  const int64_t folded = ((position % period) + period) % period;
  return folded < size ? folded : period - folded;
}

void copy_reflected(
    const ImageView& image, int64_t top, int64_t left, const Size& target, uint8_t* out) {
  for (int64_t y = 0; y < target.height; ++y) {
    const uint8_t* row = image.pixels + reflect(y + top, image.height) * image.row_stride;
    for (int64_t x = 0; x < target.width; ++x, out += 3) {
      std::memcpy(out, row + reflect(x + left, image.width) * 3, 3);
    }
  }
}

void copy_over_zeros(
    const ImageView& image, int64_t top, int64_t left, const Size& target, uint8_t* out) {
  const int64_t row_bytes = target.width * 3;
  const int64_t first = std::clamp<int64_t>(-left, 0, target.width);
  const int64_t end = std::clamp<int64_t>(image.width - left, 0, target.width);
  std::memset(out, 0, static_cast<size_t>(target.height * row_bytes));
  for (int64_t y = 0; y < target.height; ++y) {
    const int64_t source_row = y + top;
    if (source_row < 0 || source_row >= image.height || first >= end) {
      continue;
    }
    std::memcpy(
        out + y * row_bytes + first * 3,
        image.pixels + source_row * image.row_stride + (first + left) * 3,
        static_cast<size_t>((end - first) * 3));
  }
}

}  // namespace

Box random_resized_crop_box(
    int64_t image_height,
    int64_t image_width,
    const AugmentOptions& options,
    core::Random& random) {
  const auto area = static_cast<double>(image_height * image_width);
  const double log_low = std::log(options.crop_ratio[0]);
  const double log_high = std::log(options.crop_ratio[1]);
  for (int attempt = 0; attempt < kCropTries; ++attempt) {
    const double crop_area = area * random.uniform(options.crop_scale[0], options.crop_scale[1]);
    const double ratio = std::exp(random.uniform(log_low, log_high));
    const int64_t width = round_half_even(std::sqrt(crop_area * ratio));
    const int64_t height = round_half_even(std::sqrt(crop_area / ratio));
    if (width < 1 || height < 1 || width > image_width || height > image_height) {
      continue;
    }
    const int64_t top = random.uniform_int(0, image_height - height);
    const int64_t left = random.uniform_int(0, image_width - width);
    return {top, left, height, width};
  }
  return fallback_box(image_height, image_width, options.crop_ratio);
}

Size covering_size(const Size& image, const Size& target) {
  if (image.width * target.height <= image.height * target.width) {
    return {target.width * image.height / image.width, target.width};
  }
  return {target.height, target.height * image.width / image.height};
}

ResizeTarget centre_crop(const Size& image, const AugmentOptions& options, const Size& target) {
  const bool is_small = std::max(target.height, target.width) <= kLargestUncroppedInput;
  const double ratio = is_small ? 1.0 : options.eval_crop_ratio;
  const auto enlarge = [ratio](int64_t size) {
    return static_cast<int64_t>(static_cast<double>(size) / ratio);
  };
  const Size resized = covering_size(image, {enlarge(target.height), enlarge(target.width)});
  const Box window{
      round_half_even(static_cast<double>(resized.height - target.height) / 2.0),
      round_half_even(static_cast<double>(resized.width - target.width) / 2.0),
      target.height,
      target.width};
  return {resized.height, resized.width, window};
}

void random_crop(
    const ImageView& image,
    int64_t padding,
    Border border,
    const Size& target,
    core::Random& random,
    uint8_t* out) {
  const int64_t top = random.uniform_int(0, image.height + 2 * padding - target.height) - padding;
  const int64_t left = random.uniform_int(0, image.width + 2 * padding - target.width) - padding;
  if (border == Border::kReflect) {
    copy_reflected(image, top, left, target, out);
  } else {
    copy_over_zeros(image, top, left, target, out);
  }
}

void mirror(const ImageSpan& image) {
  for (int64_t row = 0; row < image.height; ++row) {
    uint8_t* left = image.pixels + row * image.width * 3;
    uint8_t* right = left + (image.width - 1) * 3;
    for (; left < right; left += 3, right -= 3) {
      std::swap_ranges(left, left + 3, right);
    }
  }
}

}  // namespace vim::data

// Crop, resize and flip, in the geometry of timm (training) and torchvision (evaluation).
#include "src/data/transform.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>

#include <fmt/format.h>

#include "src/data/resize.h"

namespace vim::data {
namespace {

constexpr int kCropTries = 10;
constexpr int64_t kLargestUncroppedInput = 32;

struct Size {
  int64_t height = 0;
  int64_t width = 0;
};

void require(bool holds, const char* what) {
  if (!holds) {
    throw std::invalid_argument(fmt::format("transform: {}", what));
  }
}

void check_options(const AugmentOptions& options, int64_t height, int64_t width) {
  const auto is_range = [](const std::array<double, 2>& range) {
    return range[0] > 0 && range[0] <= range[1];
  };
  require(height >= 1 && width >= 1, "height and width must be at least 1");
  require(is_range(options.crop_scale), "crop_scale must be positive and ordered");
  require(is_range(options.crop_ratio), "crop_ratio must be positive and ordered");
  require(options.crop_padding >= 0, "crop_padding must not be negative");
  require(options.hflip_prob >= 0 && options.hflip_prob <= 1, "hflip_prob must be in [0, 1]");
  require(
      options.eval_crop_ratio > 0 && options.eval_crop_ratio <= 1,
      "eval_crop_ratio must be in (0, 1]");
}

// Python's round(): halves go to the even neighbour, which is the default rounding mode.
int64_t round_half_even(double value) { return static_cast<int64_t>(std::nearbyint(value)); }

core::Random random_for(core::RandomKey key, core::RandomStream stream) {
  key.stream = stream;
  return core::Random(key);
}

// The smallest size of the image's shape that covers `box`; the longer side is cut to an integer.
Size covering_size(const Image& image, const Size& box) {
  if (image.width * box.height <= image.height * box.width) {
    return {box.width * image.height / image.width, box.width};
  }
  return {box.height, box.height * image.width / image.height};
}

// Resizes until the image just covers the enlarged target, then takes the middle of it.
void centre_crop(
    const Image& image, const AugmentOptions& options, const Size& target, uint8_t* out) {
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
  resize_window(
      view_of(image), options.interpolation, {resized.height, resized.width, window}, out);
}

// A crop of the target's size at a random place of the image framed by `padding` zeros.
void padded_crop(
    const ImageView& image,
    int64_t padding,
    const Size& target,
    core::Random& random,
    uint8_t* out) {
  const int64_t top = random.uniform_int(0, 2 * padding) - padding;
  const int64_t left = random.uniform_int(0, 2 * padding) - padding;
  const int64_t row_bytes = target.width * 3;
  const int64_t first = std::clamp<int64_t>(-left, 0, target.width);
  const int64_t end = std::clamp<int64_t>(target.width - left, 0, target.width);
  std::memset(out, 0, static_cast<size_t>(target.height * row_bytes));
  for (int64_t y = 0; y < target.height; ++y) {
    const int64_t source_row = y + top;
    if (source_row < 0 || source_row >= target.height || first >= end) {
      continue;
    }
    std::memcpy(
        out + y * row_bytes + first * 3,
        image.pixels + source_row * image.row_stride + (first + left) * 3,
        static_cast<size_t>((end - first) * 3));
  }
}

void resized_padded_crop(
    const Image& image,
    const AugmentOptions& options,
    const Size& target,
    core::Random& random,
    uint8_t* out) {
  if (image.height == target.height && image.width == target.width) {
    padded_crop(view_of(image), options.crop_padding, target, random, out);
    return;
  }
  const Image resized = resize(view_of(image), options.interpolation, target.height, target.width);
  padded_crop(view_of(resized), options.crop_padding, target, random, out);
}

void mirror_rows(const Size& size, uint8_t* pixels) {
  for (int64_t row = 0; row < size.height; ++row) {
    uint8_t* left = pixels + row * size.width * 3;
    uint8_t* right = left + (size.width - 1) * 3;
    for (; left < right; left += 3, right -= 3) {
      std::swap_ranges(left, left + 3, right);
    }
  }
}

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

TrainTransform::TrainTransform(const AugmentOptions& options, int64_t height, int64_t width)
    : options_(options), height_(height), width_(width) {
  check_options(options, height, width);
}

int64_t TrainTransform::height() const { return height_; }

int64_t TrainTransform::width() const { return width_; }

void TrainTransform::apply(
    const Image& image, const core::RandomKey& sample_key, uint8_t* out) const {
  const Size target{height_, width_};
  core::Random crop_random = random_for(sample_key, core::RandomStream::kCrop);
  switch (options_.crop) {
    case TrainCrop::kRandomResized: {
      const Box box = random_resized_crop_box(image.height, image.width, options_, crop_random);
      resize_window(
          view_of(image, box),
          options_.interpolation,
          {height_, width_, {0, 0, height_, width_}},
          out);
      break;
    }
    case TrainCrop::kPadded:
      resized_padded_crop(image, options_, target, crop_random, out);
      break;
    case TrainCrop::kCenter:
      centre_crop(image, options_, target, out);
      break;
  }
  core::Random flip_random = random_for(sample_key, core::RandomStream::kFlip);
  if (flip_random.uniform(0.0, 1.0) < options_.hflip_prob) {
    mirror_rows(target, out);
  }
}

EvalTransform::EvalTransform(const AugmentOptions& options, int64_t height, int64_t width)
    : options_(options), height_(height), width_(width) {
  check_options(options, height, width);
}

int64_t EvalTransform::height() const { return height_; }

int64_t EvalTransform::width() const { return width_; }

void EvalTransform::apply(
    const Image& image, const core::RandomKey& /*sample_key*/, uint8_t* out) const {
  centre_crop(image, options_, {height_, width_}, out);
}

}  // namespace vim::data

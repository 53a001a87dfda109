// The order of the steps of one image, and which stream of draws each takes.
#include "src/data/transform.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "src/data/color_policies.h"
#include "src/data/image_op.h"
#include "src/data/rand_augment.h"
#include "src/data/resize.h"

namespace vim::data {
namespace {

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
  require(options.color_jitter >= 0, "color_jitter must not be negative");
  require(
      options.eval_crop_ratio > 0 && options.eval_crop_ratio <= 1,
      "eval_crop_ratio must be in (0, 1]");
}

std::optional<RandAugmentOptions> policy_of(const AugmentOptions& options) {
  if (options.three_augment || options.auto_augment == kNoPolicy) {
    return std::nullopt;
  }
  return parse_rand_augment(options.auto_augment);
}

// The mean colour in 8 bits, rounded half to even.
std::array<uint8_t, 3> fill_of(const std::array<double, 3>& mean) {
  std::array<uint8_t, 3> fill{};
  for (size_t c = 0; c < fill.size(); ++c) {
    fill[c] = static_cast<uint8_t>(std::clamp(std::nearbyint(255.0 * mean[c]), 0.0, 255.0));
  }
  return fill;
}

}  // namespace

// The draws of one sample, a stream for each purpose, so that one policy's draws do not depend on
// whether another is on.
class TrainTransform::Draws {
 public:
  explicit Draws(const core::RandomKey& sample_key)
      : key_(sample_key), interpolation_(of(core::RandomStream::kInterpolation)) {}

  core::Random of(core::RandomStream stream) const {
    core::RandomKey key = key_;
    key.stream = stream;
    return core::Random(key);
  }

  /// A filter: a drawn one for kRandom.
  Interpolation filter(Interpolation wanted) {
    if (wanted != Interpolation::kRandom) {
      return wanted;
    }
    return interpolation_.uniform_int(0, 1) == 0 ? Interpolation::kBilinear
                                                 : Interpolation::kBicubic;
  }

 private:
  core::RandomKey key_;
  core::Random interpolation_;
};

TrainTransform::TrainTransform(const AugmentOptions& options, int64_t height, int64_t width)
    : options_(options),
      rand_augment_(policy_of(options)),
      sampling_{options.interpolation, fill_of(options.mean)},
      size_{height, width} {
  check_options(options, height, width);
}

int64_t TrainTransform::height() const { return size_.height; }

int64_t TrainTransform::width() const { return size_.width; }

void TrainTransform::apply(
    const Image& image, const core::RandomKey& sample_key, uint8_t* out) const {
  Draws draws(sample_key);
  crop(image, draws, out);
  core::Random flip_random = draws.of(core::RandomStream::kFlip);
  if (flip_random.uniform(0.0, 1.0) < options_.hflip_prob) {
    mirror({out, size_.height, size_.width});
  }
  apply_policies(draws, out);
}

void TrainTransform::crop(const Image& image, Draws& draws, uint8_t* out) const {
  core::Random random = draws.of(core::RandomStream::kCrop);
  const Interpolation filter = draws.filter(options_.interpolation);
  const bool has_size = image.height == size_.height && image.width == size_.width;
  switch (options_.crop) {
    case TrainCrop::kRandomResized: {
      const Box box = random_resized_crop_box(image.height, image.width, options_, random);
      const ResizeTarget whole{size_.height, size_.width, {0, 0, size_.height, size_.width}};
      resize_window(view_of(image, box), filter, whole, out);
      break;
    }
    case TrainCrop::kPadded: {
      const Image resized =
          has_size ? Image() : resize(view_of(image), filter, size_.height, size_.width);
      const ImageView source = view_of(has_size ? image : resized);
      random_crop(source, options_.crop_padding, Border::kZero, size_, random, out);
      break;
    }
    case TrainCrop::kCenter:
      resize_window(view_of(image), filter, centre_crop(image, options_, size_), out);
      break;
    case TrainCrop::kSimpleRandom: {
      const Size covering = covering_size(image, size_);
      const Image resized = resize(view_of(image), filter, covering.height, covering.width);
      random_crop(view_of(resized), options_.crop_padding, Border::kReflect, size_, random, out);
      break;
    }
  }
}

void TrainTransform::apply_policies(Draws& draws, uint8_t* out) const {
  thread_local std::vector<uint8_t> scratch;  // an image's worth, kept by the thread
  const auto apply = [&](const ImageOp& op) {
    const AffineSampling sampling{draws.filter(sampling_.interpolation), sampling_.fill};
    apply_op(op, {out, size_.height, size_.width}, sampling, scratch);
  };
  if (options_.three_augment) {
    core::Random random = draws.of(core::RandomStream::kThreeAugment);
    apply(draw_three_augment(random));
  }
  if (rand_augment_) {
    core::Random random = draws.of(core::RandomStream::kAugment);
    for (const ImageOp& op : draw_rand_augment(*rand_augment_, random)) {
      apply(op);
    }
  } else if (options_.color_jitter > 0) {
    core::Random random = draws.of(core::RandomStream::kColorJitter);
    for (const ImageOp& op : draw_color_jitter(options_.color_jitter, random)) {
      apply(op);
    }
  }
}

EvalTransform::EvalTransform(const AugmentOptions& options, int64_t height, int64_t width)
    : options_(options), size_{height, width} {
  check_options(options, height, width);
}

int64_t EvalTransform::height() const { return size_.height; }

int64_t EvalTransform::width() const { return size_.width; }

void EvalTransform::apply(
    const Image& image, const core::RandomKey& /*sample_key*/, uint8_t* out) const {
  const bool is_drawn = options_.interpolation == Interpolation::kRandom;
  resize_window(
      view_of(image),
      is_drawn ? Interpolation::kBicubic : options_.interpolation,
      centre_crop(image, options_, size_),
      out);
}

}  // namespace vim::data

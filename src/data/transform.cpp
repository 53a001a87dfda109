// The order of the steps of one image, and which stream of draws each takes.
#include "src/data/transform.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "src/data/color_policies.h"
#include "src/data/image/image_op.h"
#include "src/data/image/resize.h"
#include "src/data/rand_augment.h"

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

Box whole_of(const Size& size) { return {0, 0, size.height, size.width}; }

// What the middle of the resized picture is made of.
DecodeRequest centre_request(
    const Size& image, Interpolation filter, const AugmentOptions& options, const Size& size) {
  const ResizeTarget target = centre_crop(image, options, size);
  return {source_box(image, filter, target), size};
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

DecodeRequest TrainTransform::request(const Size& image, const core::RandomKey& sample_key) const {
  Draws draws(sample_key);
  switch (options_.crop) {
    case TrainCrop::kRandomResized: {
      core::Random random = draws.of(core::RandomStream::kCrop);
      return {random_resized_crop_box(image.height, image.width, options_, random), size_};
    }
    case TrainCrop::kCenter:
      return centre_request(image, crop_filter(draws), options_, size_);
    case TrainCrop::kPadded:
      return {whole_of(image), size_};
    case TrainCrop::kSimpleRandom:
      break;
  }
  return {whole_of(image), covering_size(image, size_)};
}

Interpolation TrainTransform::crop_filter(Draws& draws) const {
  return draws.filter(options_.interpolation);
}

void TrainTransform::resize(
    const ImagePart& part, const core::RandomKey& sample_key, uint8_t* out) const {
  Draws draws(sample_key);
  const bool is_flipped =
      draws.of(core::RandomStream::kFlip).uniform(0.0, 1.0) < options_.hflip_prob;
  switch (options_.crop) {
    case TrainCrop::kRandomResized: {
      core::Random random = draws.of(core::RandomStream::kCrop);
      const Box box =
          random_resized_crop_box(part.original.height, part.original.width, options_, random);
      const ResizeTarget whole{size_.height, size_.width, whole_of(size_), is_flipped};
      resize_window(part_of(view_of(part, to_stored(part, box))), crop_filter(draws), whole, out);
      break;
    }
    case TrainCrop::kCenter: {
      ResizeTarget target = centre_crop(part.original, options_, size_);
      target.is_mirrored = is_flipped;
      resize_window(part, crop_filter(draws), target, out);
      break;
    }
    case TrainCrop::kPadded:
    case TrainCrop::kSimpleRandom:
      resize_and_pad(part, draws, out);
      if (is_flipped) {
        mirror({out, size_.height, size_.width});
      }
      break;
  }
}

// A random part of the picture within a frame.
void TrainTransform::resize_and_pad(const ImagePart& part, Draws& draws, uint8_t* out) const {
  const bool is_padded = options_.crop == TrainCrop::kPadded;
  const Size inner = is_padded ? size_ : covering_size(part.original, size_);
  const Interpolation filter = crop_filter(draws);
  core::Random random = draws.of(core::RandomStream::kCrop);
  const Border border = is_padded ? Border::kZero : Border::kReflect;
  if (part.stored == inner) {
    random_crop(part.pixels, options_.crop_padding, border, size_, random, out);
    return;
  }
  const Image resized = data::resize(part.pixels, filter, inner.height, inner.width);
  random_crop(view_of(resized), options_.crop_padding, border, size_, random, out);
}

void TrainTransform::augment(const core::RandomKey& sample_key, uint8_t* out) const {
  thread_local std::vector<uint8_t> scratch;  // an image's worth, kept by the thread
  Draws draws(sample_key);
  crop_filter(draws);  // the crop's draw comes first
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
  if (options_.interpolation == Interpolation::kRandom) {
    options_.interpolation = Interpolation::kBicubic;
  }
}

int64_t EvalTransform::height() const { return size_.height; }

int64_t EvalTransform::width() const { return size_.width; }

DecodeRequest EvalTransform::request(
    const Size& image, const core::RandomKey& /*sample_key*/) const {
  return centre_request(image, options_.interpolation, options_, size_);
}

void EvalTransform::resize(
    const ImagePart& part, const core::RandomKey& /*sample_key*/, uint8_t* out) const {
  resize_window(part, options_.interpolation, centre_crop(part.original, options_, size_), out);
}

void EvalTransform::augment(const core::RandomKey& /*sample_key*/, uint8_t* /*out*/) const {}

void apply(
    const Transform& transform,
    const ImageView& image,
    const core::RandomKey& sample_key,
    uint8_t* out) {
  transform.resize(part_of(image), sample_key, out);
  transform.augment(sample_key, out);
}

}  // namespace vim::data

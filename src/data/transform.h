// From a decoded image of any size to the model's input size, still as 8-bit pixels.
#pragma once

#include <cstdint>

#include "src/core/philox.h"
#include "src/data/data_options.h"
#include "src/data/image.h"

namespace vim::data {

/// What a loader does to each image. Implementations are immutable: threads share one.
class Transform {
 public:
  virtual ~Transform() = default;

  /// Writes height() x width() x 3 bytes to `out`. `sample_key` brings seed, epoch and position;
  /// the transform sets the stream. The result depends on the image and the key alone.
  virtual void apply(const Image& image, const core::RandomKey& sample_key, uint8_t* out) const = 0;

  virtual int64_t height() const = 0;
  virtual int64_t width() const = 0;
};

/// Crop by options.crop, then a horizontal flip with options.hflip_prob.
class TrainTransform : public Transform {
 public:
  /// Throws std::invalid_argument unless sizes are positive, ranges ordered and positive,
  /// probabilities within [0, 1].
  TrainTransform(const AugmentOptions& options, int64_t height, int64_t width);

  void apply(const Image& image, const core::RandomKey& sample_key, uint8_t* out) const override;
  int64_t height() const override;
  int64_t width() const override;

 private:
  AugmentOptions options_;
  int64_t height_;
  int64_t width_;
};

/// Resizes until the image just covers int(size / eval_crop_ratio) on both axes, then crops the
/// centre. Inputs of at most 32 pixels are taken as they are, or just covered where the size
/// differs.
class EvalTransform : public Transform {
 public:
  EvalTransform(const AugmentOptions& options, int64_t height, int64_t width);

  void apply(const Image& image, const core::RandomKey& sample_key, uint8_t* out) const override;
  int64_t height() const override;
  int64_t width() const override;

 private:
  AugmentOptions options_;
  int64_t height_;
  int64_t width_;
};

/// One random resized crop: up to ten draws of area fraction and log aspect ratio, then a centred
/// fallback of the nearest allowed ratio. Never empty. Source: Szegedy et al. 2015 (arXiv
/// 1409.4842), with the rounding of timm.
Box random_resized_crop_box(
    int64_t image_height, int64_t image_width, const AugmentOptions& options, core::Random& random);

}  // namespace vim::data

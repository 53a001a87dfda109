// From a decoded image of any size to the model's input size, still as 8-bit pixels.
#pragma once

#include <cstdint>
#include <optional>

#include "src/core/philox.h"
#include "src/data/crop.h"
#include "src/data/data_options.h"
#include "src/data/image/affine.h"
#include "src/data/image/decode.h"
#include "src/data/image/image.h"
#include "src/data/rand_augment_options.h"

namespace vim::data {

/// What a loader does to each image, in three calls with the same key: which pixels it needs, their
/// way to the input size, and what happens to them there. Implementations are immutable: threads
/// share one. `sample_key` brings seed, epoch and position; the transform sets the stream. The
/// result depends on the image and the key alone.
class Transform {
 public:
  virtual ~Transform() = default;

  /// What to decode of a picture of that size.
  virtual DecodeRequest request(const Size& image, const core::RandomKey& sample_key) const = 0;

  /// Writes height() x width() x 3 bytes to `out`, made of what request() asked for.
  virtual void resize(
      const ImagePart& part, const core::RandomKey& sample_key, uint8_t* out) const = 0;

  /// Changes the result of resize() in place.
  virtual void augment(const core::RandomKey& sample_key, uint8_t* out) const = 0;

  virtual int64_t height() const = 0;
  virtual int64_t width() const = 0;
};

/// Crop by options.crop, horizontal flip with options.hflip_prob, then the colour and geometry
/// policy: ThreeAugment and colour jitter; or RandAugment; or colour jitter alone. Uncovered pixels
/// get the mean colour. All on 8 bits. Source: vim_spec 5.2 and 5.3.
class TrainTransform : public Transform {
 public:
  /// Throws std::invalid_argument unless sizes are positive, ranges ordered and positive,
  /// probabilities within [0, 1], and auto_augment is none or a policy.
  TrainTransform(const AugmentOptions& options, int64_t height, int64_t width);

  DecodeRequest request(const Size& image, const core::RandomKey& sample_key) const override;
  void resize(
      const ImagePart& part, const core::RandomKey& sample_key, uint8_t* out) const override;
  void augment(const core::RandomKey& sample_key, uint8_t* out) const override;
  int64_t height() const override;
  int64_t width() const override;

 private:
  class Draws;

  Interpolation crop_filter(Draws& draws) const;
  void resize_and_pad(const ImagePart& part, Draws& draws, uint8_t* out) const;

  AugmentOptions options_;
  std::optional<RandAugmentOptions> rand_augment_;
  AffineSampling sampling_;  // of the geometric operations
  Size size_;
};

/// Resizes until the image just covers int(size / eval_crop_ratio) on both axes, then crops the
/// centre. Inputs of at most 32 pixels are taken as they are, or just covered where the size
/// differs. Interpolation::kRandom stands for bicubic here.
class EvalTransform : public Transform {
 public:
  EvalTransform(const AugmentOptions& options, int64_t height, int64_t width);

  DecodeRequest request(const Size& image, const core::RandomKey& sample_key) const override;
  void resize(
      const ImagePart& part, const core::RandomKey& sample_key, uint8_t* out) const override;
  void augment(const core::RandomKey& sample_key, uint8_t* out) const override;
  int64_t height() const override;
  int64_t width() const override;

 private:
  AugmentOptions options_;
  Size size_;
};

/// All three calls on a whole picture.
void apply(
    const Transform& transform,
    const ImageView& image,
    const core::RandomKey& sample_key,
    uint8_t* out);

}  // namespace vim::data

// Random erasing of one pixel, as host and device compute it; see EraseBox.
#pragma once

#include "kernels/image_batch.h"
#include "kernels/philox_normal.h"

namespace vim::kernels {

static_assert(kMaxImageChannels <= 4, "one Philox block gives a pixel's four normal numbers");

/// The boxes of one sample, the later over the earlier.
struct SampleBoxes {
  const EraseBox* first = nullptr;
  int64_t count = 0;
};

VIM_HOST_DEVICE inline SampleBoxes sample_boxes(const ImageBatchParams& params, int64_t sample) {
  return {params.boxes + sample * params.num_boxes, params.num_boxes};
}

/// What erases a pixel: no box, or the uppermost one that holds it, with the block of its noise.
struct PixelErasure {
  const EraseBox* box = nullptr;
  PhiloxBlock noise = {};
};

VIM_HOST_DEVICE inline bool holds(const EraseBox& box, int64_t y, int64_t x) {
  return y >= box.y0 && y < box.y1 && x >= box.x0 && x < box.x1;
}

VIM_HOST_DEVICE inline PixelErasure erasure_at(
    const SampleBoxes& boxes, EraseFill fill, int64_t y, int64_t x) {
  PixelErasure erasure;
  for (int64_t i = 0; i < boxes.count; ++i) {
    if (holds(boxes.first[i], y, x)) {
      erasure.box = boxes.first + i;
    }
  }
  if (erasure.box != nullptr && fill == EraseFill::kNoise) {
    const PhiloxBlock place = {{static_cast<uint32_t>(x), static_cast<uint32_t>(y), 0, 0}};
    erasure.noise = philox_block(place, erasure.box->key[0], erasure.box->key[1]);
  }
  return erasure;
}

/// What a channel's normalised value becomes.
VIM_HOST_DEVICE inline float erased_value(
    const PixelErasure& erasure, EraseFill fill, int channel, float value) {
  if (erasure.box == nullptr) {
    return value;
  }
  return fill == EraseFill::kNoise ? normal_of(erasure.noise, channel)
                                   : erasure.box->colour[channel];
}

}  // namespace vim::kernels

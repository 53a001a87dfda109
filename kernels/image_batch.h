// From a batch of uint8 images to the model's input in one pass: normalise, then mixup or cutmix
// with a partner from the same batch. Source: vim_spec 5.2 (step 4) and 5.5.
//
//   x = (pixel / 255 - mean) / std
//   out = x inside no box:  mix_lambda * x + (1 - mix_lambda) * x_partner     (mixup; mix_lambda 1:
//   x) out = x_partner inside the box [y0, y1) x [x0, x1)                          (cutmix; empty
//   box: none)
#pragma once

#include "kernels/types.h"

namespace vim::kernels {

inline constexpr int64_t kMaxImageChannels = 4;

/// How one sample is mixed. partner is an index into the batch.
struct SampleMix {
  int64_t partner = 0;
  float mix_lambda = 1.0F;
  int32_t y0 = 0;
  int32_t y1 = 0;
  int32_t x0 = 0;
  int32_t x1 = 0;
};

struct ImageBatchParams {
  int64_t batch = 0;
  int64_t height = 0;
  int64_t width = 0;
  int64_t channels = 3;
  const uint8_t* images = nullptr;  // (batch, height, width, channels)
  float mean[kMaxImageChannels] = {};
  float std[kMaxImageChannels] = {1, 1, 1, 1};
  const SampleMix* mix = nullptr;  // (batch), or null: no mixing
  DType out_dtype = DType::kFloat32;
  void* out = nullptr;  // (batch, channels, height, width)
};

/// One row per sample.
int64_t image_batch_num_rows(const ImageBatchParams& params);

void image_batch(const ImageBatchParams& params, RowRange rows);

}  // namespace vim::kernels

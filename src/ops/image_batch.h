// From uint8 images to the model's input: normalisation and mixing in one pass.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <vector>

#include "kernels/image_batch.h"

namespace vim::ops {

struct ImageBatchOptions {
  std::array<double, 3> mean = {0.485, 0.456, 0.406};
  std::array<double, 3> std = {0.229, 0.224, 0.225};
  at::ScalarType dtype = at::kFloat;
};

/// Returns (batch, 3, height, width) from images (batch, height, width, 3), uint8, contiguous: each
/// value is (pixel / 255 - mean) / std, mixed with its partner as `mix` says (one entry per image,
/// or empty: no mixing). Throws c10::Error on a mismatch or a partner outside the batch. Source:
/// vim_spec 5.2, 5.5.
at::Tensor image_batch(
    const at::Tensor& images,
    const std::vector<kernels::SampleMix>& mix,
    const ImageBatchOptions& options);

}  // namespace vim::ops

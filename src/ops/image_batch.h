// From uint8 images to the model's input: normalisation, random erasing and mixing in one pass.
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
  int64_t patch_size = 0;  // 0: images; otherwise rows for a patch embedding
  int64_t stride = 0;      // pixels from one patch to the next
  kernels::EraseFill erase_fill = kernels::EraseFill::kColour;
};

/// What is done to each image; on the images' device.
struct SampleTables {
  at::Tensor mix{};    // of mix_table; undefined: no mixing
  at::Tensor boxes{};  // of box_table; undefined: no erasing
};

/// The table of `mix` as image_batch takes it: (batch, sizeof(SampleMix)) bytes on the CPU;
/// undefined for an empty list. Throws c10::Error for a partner outside the list.
at::Tensor mix_table(const std::vector<kernels::SampleMix>& mix);

/// The table of `boxes`, equally many for each of `batch` images, image by image, as image_batch
/// takes it: (batch, boxes of an image * sizeof(EraseBox)) bytes on the CPU; undefined for an empty
/// list. Throws c10::Error if the boxes do not fill the batch.
at::Tensor box_table(const std::vector<kernels::EraseBox>& boxes, int64_t batch);

/// Returns (batch, 3, height, width) on the images' device from images (batch, height, width, 3),
/// uint8, contiguous: each value is (pixel / 255 - mean) / std, erased where a box of its image
/// holds it, then mixed with its partner's. The tables have one row per image. With a patch_size
/// the same values come as nn::PatchEmbed takes them: (batch, num_patches, 3 * patch_size *
/// patch_size). Throws c10::Error on a mismatch. Source: vim_spec 5.2, 5.5.
at::Tensor image_batch(
    const at::Tensor& images, const SampleTables& tables, const ImageBatchOptions& options);

}  // namespace vim::ops

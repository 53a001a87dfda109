// One image batch problem for every implementation: the cases, their pixels and the definition in
// double.
#pragma once

#include <vector>

#include "kernels/image_batch.h"
#include "tests/kernels/kernel_buffers.h"

namespace vim::tests {

inline constexpr int64_t kImageBatch = 4;

struct ImageCase {
  const char* name;
  int64_t height;
  int64_t width;
  int64_t channels;
  std::vector<kernels::SampleMix>
      mix;  // empty: none; otherwise one for each of kImageBatch samples
  kernels::DType dtype = kernels::DType::kFloat32;
  int64_t patch_size = 0;
  int64_t stride = 0;
  std::vector<kernels::EraseBox> boxes = {};  // none, or equally many for each sample
  kernels::EraseFill fill = kernels::EraseFill::kNoise;
};

/// Mixup with the reversed batch, as in training.
std::vector<kernels::SampleMix> mixup(float lambda);

/// Cutmix with the reversed batch.
std::vector<kernels::SampleMix> cutmix(int32_t y0, int32_t y1, int32_t x0, int32_t x1);

/// Three boxes a sample: one pixel to a third of the image, overlapping ones, empty ones.
std::vector<kernels::EraseBox> scattered_boxes(int64_t height, int64_t width);

/// One pixel, all storage types, both ways of mixing, both layouts, sizes that are multiples of
/// eight and sizes that are not, with and without erasing.
const std::vector<ImageCase>& image_cases();

std::vector<uint8_t> make_images(const ImageCase& test);

/// Parameters of a case without the output.
kernels::ImageBatchParams make_image_params(
    const ImageCase& test, const std::vector<uint8_t>& images);

/// Values of the whole output.
int64_t image_output_size(const kernels::ImageBatchParams& params);

/// The output in double.
Values image_oracle(const kernels::ImageBatchParams& params);

}  // namespace vim::tests

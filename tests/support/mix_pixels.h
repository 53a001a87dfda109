// What kernels/image_batch.h says a SampleMix means, on float images, one image at a time.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "kernels/image_batch.h"

namespace vim::test {

/// images: (batch, channels, height, width), float; one entry of `samples` per image.
at::Tensor mix_pixels(const at::Tensor& images, const std::vector<kernels::SampleMix>& samples);

}  // namespace vim::test

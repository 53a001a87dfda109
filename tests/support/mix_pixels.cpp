// Mixing written from its definition, on stock tensor operations.
#include "tests/support/mix_pixels.h"

#include <ATen/ATen.h>

namespace vim::test {

at::Tensor mix_pixels(const at::Tensor& images, const std::vector<kernels::SampleMix>& samples) {
  at::Tensor out = images.clone();
  for (int64_t i = 0; i < images.size(0); ++i) {
    const kernels::SampleMix& mix = samples[static_cast<size_t>(i)];
    const at::Tensor partner = images[mix.partner];
    out[i].mul_(mix.mix_lambda).add_(partner * (1.0F - mix.mix_lambda));
    const auto box = [&mix](const at::Tensor& image) {
      return image.slice(1, mix.y0, mix.y1).slice(2, mix.x0, mix.x1);
    };
    box(out[i]).copy_(box(partner));
  }
  return out;
}

}  // namespace vim::test

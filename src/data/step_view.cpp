// The image kernel does what it does in training; then its normalisation is undone.
#include "src/data/step_view.h"

#include <algorithm>
#include <cmath>

#include "kernels/image_batch.h"
#include "src/data/erase.h"

namespace vim::data {
namespace {

// From (channels, height, width), normalised.
Image to_bytes(const float* values, const Size& size, const AugmentOptions& options) {
  const int64_t num_pixels = size.height * size.width;
  Image image{size.height, size.width, std::vector<uint8_t>(static_cast<size_t>(num_pixels * 3))};
  for (int64_t i = 0; i < num_pixels * 3; ++i) {
    const auto channel = static_cast<size_t>(i % 3);
    const double value = values[i % 3 * num_pixels + i / 3];
    const double byte = (value * options.std[channel] + options.mean[channel]) * 255.0;
    image.pixels[static_cast<size_t>(i)] =
        static_cast<uint8_t>(std::lround(std::clamp(byte, 0.0, 255.0)));
  }
  return image;
}

kernels::ImageBatchParams params_of(
    const uint8_t* pixels, const Size& size, const AugmentOptions& options) {
  kernels::ImageBatchParams params;
  params.height = size.height;
  params.width = size.width;
  params.images = pixels;
  for (size_t channel = 0; channel < 3; ++channel) {
    params.mean[channel] = static_cast<float>(options.mean[channel]);
    params.std[channel] = static_cast<float>(options.std[channel]);
  }
  params.erase_fill = erase_fill(options);
  return params;
}

}  // namespace

std::vector<StepView> view_step(
    const uint8_t* pixels,
    const Size& size,
    const AugmentOptions& options,
    int64_t group_size,
    const StepImages& images) {
  const std::vector<kernels::EraseBox> boxes =
      draw_erasing(options, {size.height, size.width}, images);
  const std::vector<GroupMix> groups = draw_mixes(options, size, group_size, images);
  const std::vector<kernels::SampleMix> mix = mix_samples(groups);
  kernels::ImageBatchParams params = params_of(pixels, size, options);
  params.batch = static_cast<int64_t>(mix.size());
  params.mix = mix.data();
  params.boxes = boxes.data();
  params.num_boxes = boxes.empty() ? 0 : options.erase_count;
  const int64_t num_values = size.height * size.width * 3;
  std::vector<float> values(static_cast<size_t>(params.batch * num_values));
  params.out = values.data();
  kernels::image_batch(params, {0, params.batch});
  std::vector<StepView> views;
  for (int64_t i = 0; i < params.batch; ++i) {
    views.push_back(
        {to_bytes(values.data() + i * num_values, size, options),
         groups[static_cast<size_t>(i / group_size)][static_cast<size_t>(i % group_size)],
         mix[static_cast<size_t>(i)].partner});
  }
  return views;
}

}  // namespace vim::data

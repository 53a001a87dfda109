// Every box draws all that it needs from its image's own sequence, so images do not disturb one
// another.
#include "src/data/erase.h"

#include <cmath>

namespace vim::data {
namespace {

constexpr int kTries = 10;

void draw_fill(EraseMode mode, core::Random& random, kernels::EraseBox& box) {
  if (mode == EraseMode::kRand) {
    for (float& channel : box.colour) {
      channel = static_cast<float>(random.normal());
    }
  } else if (mode == EraseMode::kPixel) {
    for (uint32_t& word : box.key) {
      word = random.next_u32();
    }
  }
}

// Leaves the box empty if no try fits. count: the boxes of the image, which share the area.
void draw_place(
    const AugmentOptions& options,
    const std::array<int64_t, 2>& img_size,
    int64_t count,
    core::Random& random,
    kernels::EraseBox& box) {
  const auto [height, width] = img_size;
  const double share = static_cast<double>(height * width) / static_cast<double>(count);
  const double log_ratio = std::log(options.erase_ratio);
  for (int attempt = 0; attempt < kTries; ++attempt) {
    const double area = random.uniform(options.erase_area[0], options.erase_area[1]) * share;
    const double ratio = std::exp(random.uniform(log_ratio, -log_ratio));
    const auto h = static_cast<int64_t>(std::nearbyint(std::sqrt(area * ratio)));
    const auto w = static_cast<int64_t>(std::nearbyint(std::sqrt(area / ratio)));
    if (h < height && w < width) {
      box.y0 = static_cast<int32_t>(random.uniform_int(0, height - h));
      box.x0 = static_cast<int32_t>(random.uniform_int(0, width - w));
      box.y1 = box.y0 + static_cast<int32_t>(h);
      box.x1 = box.x0 + static_cast<int32_t>(w);
      return;
    }
  }
}

}  // namespace

bool is_erasing(const AugmentOptions& options) { return options.erase_prob > 0; }

kernels::EraseFill erase_fill(const AugmentOptions& options) {
  return options.erase_mode == EraseMode::kPixel ? kernels::EraseFill::kNoise
                                                 : kernels::EraseFill::kColour;
}

std::vector<kernels::EraseBox> draw_erase_boxes(
    const AugmentOptions& options, const std::array<int64_t, 2>& img_size, core::Random& random) {
  std::vector<kernels::EraseBox> boxes(static_cast<size_t>(options.erase_count));
  if (random.uniform(0.0, 1.0) >= options.erase_prob) {
    return boxes;
  }
  const int64_t count = options.erase_count > 1 ? random.uniform_int(1, options.erase_count) : 1;
  for (int64_t i = 0; i < count; ++i) {
    kernels::EraseBox& box = boxes[static_cast<size_t>(i)];
    draw_fill(options.erase_mode, random, box);
    draw_place(options, img_size, count, random, box);
  }
  return boxes;
}

std::vector<kernels::EraseBox> draw_erasing(
    const AugmentOptions& options,
    const std::array<int64_t, 2>& img_size,
    const StepImages& images) {
  std::vector<kernels::EraseBox> boxes;
  for (int64_t i = 0; i < images.count && is_erasing(options); ++i) {
    const auto position = static_cast<uint64_t>(images.first_position + i);
    core::Random random({images.seed, core::RandomStream::kErase, images.step, 0, position});
    const std::vector<kernels::EraseBox> drawn = draw_erase_boxes(options, img_size, random);
    boxes.insert(boxes.end(), drawn.begin(), drawn.end());
  }
  return boxes;
}

}  // namespace vim::data

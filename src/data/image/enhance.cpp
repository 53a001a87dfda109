// Blends with a derived image. A product and a sum in float, each rounded, as Pillow's; this file
// is compiled without fused multiply-adds.
#include "src/data/image/enhance.h"

#include <algorithm>

#include "src/data/image/byte_table.h"

namespace vim::data {
namespace {

uint8_t blend(int other, int value, float factor) {
  const float mixed = static_cast<float>(other) + factor * static_cast<float>(value - other);
  return static_cast<uint8_t>(std::clamp(mixed, 0.0F, 255.0F));
}

int luma(const uint8_t* pixel) {
  return (pixel[0] * 19595 + pixel[1] * 38470 + pixel[2] * 7471 + 0x8000) >> 16;
}

int mean_luma(const ImageSpan& image) {
  const int64_t num_pixels = image.height * image.width;
  int64_t sum = 0;
  for (int64_t i = 0; i < num_pixels; ++i) {
    sum += luma(image.pixels + i * 3);
  }
  return static_cast<int>(static_cast<double>(sum) / static_cast<double>(num_pixels) + 0.5);
}

// One row between its neighbours, without its outermost pixels. An eighth neighbour more and the
// weighted sum is 13 times the mean; halves do not occur, so rounding is plain.
void sharpen_row(const uint8_t* above, int64_t row_bytes, float factor, uint8_t* out) {
  const uint8_t* row = above + row_bytes;
  const uint8_t* below = row + row_bytes;
  for (int64_t i = 3; i < row_bytes - 3; ++i) {
    const int sum = above[i - 3] + above[i] + above[i + 3] + row[i - 3] + 5 * row[i] + row[i + 3] +
                    below[i - 3] + below[i] + below[i + 3];
    const auto smooth = static_cast<uint16_t>((2 * sum + 13) / 26);
    out[i] = blend(smooth, row[i], factor);
  }
}

}  // namespace

void greyscale(const ImageSpan& image) {
  uint8_t* pixel = image.pixels;
  for (int64_t i = 0; i < image.height * image.width; ++i, pixel += 3) {
    std::fill_n(pixel, 3, static_cast<uint8_t>(luma(pixel)));
  }
}

void adjust_saturation(const ImageSpan& image, double factor) {
  const auto weight = static_cast<float>(factor);
  uint8_t* pixel = image.pixels;
  for (int64_t i = 0; i < image.height * image.width; ++i, pixel += 3) {
    const int grey = luma(pixel);
    for (int c = 0; c < 3; ++c) {
      pixel[c] = blend(grey, pixel[c], weight);
    }
  }
}

void adjust_contrast(const ImageSpan& image, double factor) {
  const auto weight = static_cast<float>(factor);
  const int mean = mean_luma(image);
  apply_table(image, make_table([=](int value) { return blend(mean, value, weight); }));
}

void adjust_brightness(const ImageSpan& image, double factor) {
  const auto weight = static_cast<float>(factor);
  apply_table(image, make_table([=](int value) { return blend(0, value, weight); }));
}

void adjust_sharpness(const ImageSpan& image, double factor, std::vector<uint8_t>& scratch) {
  const auto weight = static_cast<float>(factor);
  const int64_t row_bytes = image.width * 3;
  scratch.assign(image.pixels, image.pixels + image.height * row_bytes);
  for (int64_t y = 1; y < image.height - 1; ++y) {
    const uint8_t* above = scratch.data() + (y - 1) * row_bytes;
    sharpen_row(above, row_bytes, weight, image.pixels + y * row_bytes);
  }
}

}  // namespace vim::data

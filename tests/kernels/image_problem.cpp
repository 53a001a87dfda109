#include "tests/kernels/image_problem.h"

#include <cmath>
#include <numbers>

#include "src/core/philox.h"

namespace vim::tests {
namespace {

using kernels::DType;
using kernels::EraseBox;
using kernels::EraseFill;
using kernels::ImageBatchParams;
using kernels::SampleMix;

// Box-Muller in double, pairs of words giving cosine and sine.
double expected_noise(const EraseBox& box, int64_t c, int64_t y, int64_t x) {
  const auto block = core::philox_4x32(
      {static_cast<uint32_t>(x), static_cast<uint32_t>(y), 0, 0}, {box.key[0], box.key[1]});
  const size_t pair = c < 2 ? 0 : 2;
  const double unit = (block[pair] | 1U) * 0x1p-32;
  const double angle = 2 * std::numbers::pi * block[pair + 1] * 0x1p-32;
  return std::sqrt(-2 * std::log(unit)) * (c % 2 == 0 ? std::cos(angle) : std::sin(angle));
}

// What the sample's boxes make of a value.
double erased(const ImageBatchParams& params, const std::vector<int64_t>& place, double value) {
  const int64_t c = place[1];
  const int64_t y = place[2];
  const int64_t x = place[3];
  for (int64_t i = 0; i < params.num_boxes; ++i) {
    const EraseBox& box = params.boxes[place[0] * params.num_boxes + i];
    if (y >= box.y0 && y < box.y1 && x >= box.x0 && x < box.x1) {
      value = params.erase_fill == EraseFill::kNoise ? expected_noise(box, c, y, x) : box.colour[c];
    }
  }
  return value;
}

// The value at (sample, channel, y, x), erased and mixed as kernels/image_batch.h says.
double expected_value(const ImageBatchParams& params, int64_t b, int64_t c, int64_t y, int64_t x) {
  const auto normalised = [&](int64_t sample) {
    const int64_t pixel = (sample * params.height + y) * params.width + x;
    const double level = params.images[pixel * params.channels + c];
    return erased(params, {sample, c, y, x}, (level / 255.0 - params.mean[c]) / params.std[c]);
  };
  if (params.mix == nullptr) return normalised(b);
  const SampleMix& mix = params.mix[b];
  if (y >= mix.y0 && y < mix.y1 && x >= mix.x0 && x < mix.x1) return normalised(mix.partner);
  const double lambda = mix.mix_lambda;
  return lambda * normalised(b) + (1.0 - lambda) * normalised(mix.partner);
}

// The channels of the square or image that starts at (y0, x0).
void append_window(
    const ImageBatchParams& params,
    int64_t b,
    const std::vector<int64_t>& origin,
    const std::vector<int64_t>& size,
    Values& expected) {
  for (int64_t c = 0; c < params.channels; ++c) {
    for (int64_t i = 0; i < size[0] * size[1]; ++i) {
      const int64_t y = origin[0] + i / size[1];
      expected.push_back(expected_value(params, b, c, y, origin[1] + i % size[1]));
    }
  }
}

void append_patches(const ImageBatchParams& params, int64_t b, Values& expected) {
  const int64_t side = params.patch_size;
  for (int64_t y = 0; y + side <= params.height; y += params.stride) {
    for (int64_t x = 0; x + side <= params.width; x += params.stride) {
      append_window(params, b, {y, x}, {side, side}, expected);
    }
  }
}

}  // namespace

std::vector<SampleMix> mixup(float lambda) {
  return {{3, lambda}, {2, lambda}, {1, lambda}, {0, lambda}};
}

std::vector<SampleMix> cutmix(int32_t y0, int32_t y1, int32_t x0, int32_t x1) {
  return {
      {3, 1, y0, y1, x0, x1},
      {2, 1, y0, y1, x0, x1},
      {1, 1, y0, y1, x0, x1},
      {0, 1, y0, y1, x0, x1}};
}

std::vector<EraseBox> scattered_boxes(int64_t height, int64_t width) {
  const auto h = static_cast<int32_t>(height);
  const auto w = static_cast<int32_t>(width);
  const EraseBox none;
  const std::vector<EraseBox> boxes = {
      {0, h / 2, 0, w / 3, {1, -2, 3, 0.5F}, {1, 2}},
      {h / 4, h, w / 4, w / 2, {-0.25F, 0, 2, 7}, {0xFFFFFFFF, 3}},
      {h - 1, h, w - 1, w, {0.75F, 1, 1, 1}, {4, 4}},
      none,
      {h / 3, h / 2 + 1, 1, w - 1, {}, {5, 6}},
      none,
      none,
      none,
      none,
      {0, 1, 0, w, {2, 2, 2, 2}, {7, 0xFFFFFFFF}},
      {0, h - 1, w / 2, w / 2 + 1, {-1, -1, -1, -1}, {8, 9}},
      {h / 2, h / 2, 0, w, {9, 9, 9, 9}, {9, 9}},
  };
  return boxes;
}

const std::vector<ImageCase>& image_cases() {
  const std::vector<SampleMix> each = {{1, 0.25F}, {1}, {0, 1, 0, 8, 0, 1}, {2, 0.5F, 1, 2, 1, 2}};
  const auto boxes = scattered_boxes;
  static const std::vector<ImageCase> cases = {
      {"one_pixel", 1, 1, 1, {}},
      {"plain", 17, 9, 3, {}},
      {"bfloat16", 17, 9, 3, {}, DType::kBFloat16},
      {"mixup", 12, 10, 3, mixup(0.3F)},
      {"mixup_all_partner", 12, 10, 3, mixup(0.0F)},
      {"mixup_float16", 12, 10, 3, mixup(0.7F), DType::kFloat16},
      {"lambda_one", 12, 10, 3, mixup(1.0F)},
      {"cutmix", 12, 10, 3, cutmix(2, 7, 3, 10)},
      {"cutmix_everything", 12, 10, 3, cutmix(0, 12, 0, 10)},
      {"cutmix_empty_box", 12, 10, 3, cutmix(5, 5, 2, 8)},
      {"four_channels", 5, 6, 4, cutmix(4, 5, 5, 6)},
      {"each_its_own", 8, 8, 3, each},
      {"eights", 24, 48, 3, {}},
      {"eights_mixup", 24, 48, 3, mixup(0.6F), DType::kBFloat16},
      {"eights_cutmix", 24, 48, 3, cutmix(3, 20, 13, 31)},
      {"eights_float16", 9, 16, 3, each, DType::kFloat16},
      {"patches", 32, 48, 3, mixup(0.6F), DType::kFloat32, 16, 16},
      {"patches_bfloat16", 32, 32, 3, cutmix(3, 20, 13, 31), DType::kBFloat16, 16, 16},
      {"patches_overlap", 32, 40, 3, cutmix(7, 25, 2, 39), DType::kFloat32, 16, 8},
      {"patches_leave_a_rest", 35, 45, 3, cutmix(7, 25, 2, 39), DType::kFloat32, 16, 16},
      {"patches_odd", 20, 19, 3, mixup(0.25F), DType::kFloat32, 5, 3},
      {"patches_apart", 20, 24, 3, {}, DType::kBFloat16, 8, 12},
      {"patches_one_channel", 28, 28, 1, {}, DType::kFloat32, 4, 4},
      {"patches_of_a_pixel", 8, 9, 3, each, DType::kFloat32, 1, 1},
      {"patch_of_the_image", 16, 16, 3, each, DType::kFloat16, 16, 1},
      {"erased_colour", 17, 9, 3, {}, DType::kFloat32, 0, 0, boxes(17, 9), EraseFill::kColour},
      {"erased_noise", 17, 9, 3, {}, DType::kFloat32, 0, 0, boxes(17, 9)},
      {"erased_mixup", 12, 10, 3, mixup(0.3F), DType::kFloat32, 0, 0, boxes(12, 10)},
      {"erased_all_partner", 12, 10, 3, mixup(0.0F), DType::kFloat16, 0, 0, boxes(12, 10)},
      {"erased_cutmix", 12, 10, 3, cutmix(2, 7, 3, 10), DType::kFloat32, 0, 0, boxes(12, 10)},
      {"erased_each_its_own", 8, 8, 3, each, DType::kFloat32, 0, 0, boxes(8, 8)},
      {"erased_four_channels", 5, 6, 4, mixup(0.5F), DType::kFloat32, 0, 0, boxes(5, 6)},
      {"erased_one_channel", 9, 7, 1, {}, DType::kBFloat16, 0, 0, boxes(9, 7)},
      {"erased_eights", 24, 48, 3, cutmix(3, 20, 13, 31), DType::kFloat32, 0, 0, boxes(24, 48)},
      {"erased_eights_bfloat16", 24, 48, 3, each, DType::kBFloat16, 0, 0, boxes(24, 48)},
      {"erased_patches", 32, 48, 3, mixup(0.6F), DType::kFloat32, 16, 16, boxes(32, 48)},
      {"erased_overlap", 32, 40, 3, each, DType::kBFloat16, 16, 8, boxes(32, 40)},
      {"erased_patches_odd", 20, 19, 3, mixup(0.25F), DType::kFloat32, 5, 3, boxes(20, 19)},
  };
  return cases;
}

std::vector<uint8_t> make_images(const ImageCase& test) {
  std::vector<uint8_t> images(kImageBatch * test.height * test.width * test.channels);
  const Values values = random_values(images.size(), 5, 127.5);
  for (size_t i = 0; i < images.size(); ++i) images[i] = static_cast<uint8_t>(values[i] + 127.5);
  return images;
}

ImageBatchParams make_image_params(const ImageCase& test, const std::vector<uint8_t>& images) {
  ImageBatchParams params;
  params.batch = kImageBatch;
  params.height = test.height;
  params.width = test.width;
  params.channels = test.channels;
  params.images = images.data();
  const float mean[] = {0.485F, 0.456F, 0.406F, 0.5F};
  const float std[] = {0.229F, 0.224F, 0.225F, 0.25F};
  for (int64_t c = 0; c < kernels::kMaxImageChannels; ++c) {
    params.mean[c] = mean[c];
    params.std[c] = std[c];
  }
  params.mix = test.mix.empty() ? nullptr : test.mix.data();
  params.boxes = test.boxes.empty() ? nullptr : test.boxes.data();
  params.num_boxes = static_cast<int64_t>(test.boxes.size()) / kImageBatch;
  params.erase_fill = test.fill;
  params.out_dtype = test.dtype;
  params.patch_size = test.patch_size;
  params.stride = test.stride;
  return params;
}

int64_t image_output_size(const ImageBatchParams& params) {
  ImageBatchParams unmixed = params;  // a test may refuse its boxes and partners
  unmixed.mix = nullptr;
  unmixed.num_boxes = 0;
  return static_cast<int64_t>(image_oracle(unmixed).size());
}

Values image_oracle(const ImageBatchParams& params) {
  Values expected;
  for (int64_t b = 0; b < params.batch; ++b) {
    if (params.patch_size > 0) {
      append_patches(params, b, expected);
    } else {
      append_window(params, b, {0, 0}, {params.height, params.width}, expected);
    }
  }
  return expected;
}

}  // namespace vim::tests

#include "tests/kernels/image_problem.h"

namespace vim::tests {
namespace {

using kernels::DType;
using kernels::ImageBatchParams;
using kernels::SampleMix;

// The value at (sample, channel, y, x), mixed as kernels/image_batch.h says.
double expected_value(const ImageBatchParams& params, int64_t b, int64_t c, int64_t y, int64_t x) {
  const auto normalised = [&](int64_t sample) {
    const int64_t pixel = (sample * params.height + y) * params.width + x;
    const double level = params.images[pixel * params.channels + c];
    return (level / 255.0 - params.mean[c]) / params.std[c];
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

const std::vector<ImageCase>& image_cases() {
  const std::vector<SampleMix> each = {{1, 0.25F}, {1}, {0, 1, 0, 8, 0, 1}, {2, 0.5F, 1, 2, 1, 2}};
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
  params.out_dtype = test.dtype;
  params.patch_size = test.patch_size;
  params.stride = test.stride;
  return params;
}

int64_t image_output_size(const ImageBatchParams& params) {
  ImageBatchParams unmixed = params;  // a test may refuse its boxes and partners
  unmixed.mix = nullptr;
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

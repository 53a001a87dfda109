// The image batch on every backend against the formulas of its header.
#include "kernels/image_batch.h"

#include <stdexcept>

#include "tests/kernels/kernel_buffers.h"
#include "tests/support/catch.h"

namespace vim::tests {
namespace {

using kernels::DType;
using kernels::ImageBatchParams;
using kernels::SampleMix;

struct ImageCase {
  const char* name;
  int64_t height;
  int64_t width;
  int64_t channels;
  std::vector<SampleMix> mix;  // empty: none; otherwise one for each of kBatch samples
  DType dtype = DType::kFloat32;
};

constexpr int64_t kBatch = 4;

// Partner is the reversed batch, as in training.
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
      {"each_its_own", 8, 8, 3, {{1, 0.25F}, {1}, {0, 1, 0, 8, 0, 1}, {2, 0.5F, 1, 2, 1, 2}}},
  };
  return cases;
}

std::vector<uint8_t> make_images(const ImageCase& test) {
  std::vector<uint8_t> images(kBatch * test.height * test.width * test.channels);
  const Values values = random_values(images.size(), 5, 127.5);
  for (size_t i = 0; i < images.size(); ++i) images[i] = static_cast<uint8_t>(values[i] + 127.5);
  return images;
}

ImageBatchParams make_params(
    const ImageCase& test, const std::vector<uint8_t>& images, TokenArray& out) {
  ImageBatchParams params;
  params.batch = kBatch;
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
  params.out = out.mutable_view().data;
  return params;
}

// The value at (sample, channel, y, x), mixed as the header says.
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

Values oracle(const ImageBatchParams& params) {
  Values expected;
  for (int64_t b = 0; b < params.batch; ++b) {
    for (int64_t c = 0; c < params.channels; ++c) {
      for (int64_t i = 0; i < params.height * params.width; ++i) {
        expected.push_back(expected_value(params, b, c, i / params.width, i % params.width));
      }
    }
  }
  return expected;
}

TEST_CASE("image_batch normalises, mixes and pastes as defined", "[image_batch]") {
  for (const ImageCase& test : image_cases()) {
    const std::vector<uint8_t> images = make_images(test);
    for_each_backend([&](const std::string& backend) {
      INFO(test.name << " on " << backend);
      TokenArray out(flat(images.size()), test.dtype);
      const ImageBatchParams params = make_params(test, images, out);
      run_in_pieces(image_batch_num_rows(params), 3, [&](auto rows) { image_batch(params, rows); });
      // A handful of float roundings of values up to 3, then one to the storage type.
      CHECK(max_error(out.get(), oracle(params)) < 5e-7 + rounding_error(test.dtype));
    });
  }
}

TEST_CASE("image_batch without mixing has the very bits of float arithmetic", "[image_batch]") {
  ImageCase test{"levels", 16, 16, 3, {}};
  std::vector<uint8_t> images = make_images(test);
  for (size_t i = 0; i < images.size(); ++i) images[i] = static_cast<uint8_t>(i / 3);
  TokenArray out(flat(images.size()), test.dtype);
  const ImageBatchParams params = make_params(test, images, out);
  image_batch(params, {0, kBatch});
  const Values values = out.get();
  for (int64_t level = 0; level < 256; ++level) {
    const float expected = (static_cast<float>(level) / 255.0F - 0.456F) / 0.224F;
    CHECK(static_cast<float>(values[256 + level]) == expected);
  }
}

TEST_CASE("image_batch refuses a box or partner outside the batch", "[image_batch]") {
  ImageCase test{"refused", 4, 4, 3, cutmix(0, 5, 0, 4)};
  const std::vector<uint8_t> images = make_images(test);
  TokenArray out(flat(images.size()), test.dtype);
  CHECK_THROWS_AS(image_batch(make_params(test, images, out), {0, 1}), std::invalid_argument);
  test.mix = mixup(0.5F);
  test.mix[0].partner = kBatch;
  CHECK_THROWS_AS(image_batch(make_params(test, images, out), {0, 1}), std::invalid_argument);
}

}  // namespace
}  // namespace vim::tests

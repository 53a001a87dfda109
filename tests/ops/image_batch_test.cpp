// The arithmetic itself is tested in tests/kernels; here: what the op adds to the kernel.
#include "src/ops/image_batch.h"

#include <ATen/ATen.h>

#include <cmath>

#include "tests/ops/op_checks.h"
#include "tests/support/catch.h"

namespace vim::ops {
namespace {

constexpr double kFloat = 1e-6;  // four float operations per value

at::Tensor make_images(int64_t batch = 3) {
  return at::arange(batch * 5 * 7 * 3).mul(37).remainder(256).to(at::kByte).view({batch, 5, 7, 3});
}

at::Tensor normalised(const at::Tensor& images, const ImageBatchOptions& options) {
  const auto row = [](const std::array<double, 3>& values) {
    return at::tensor(at::ArrayRef<double>(values), at::kDouble);
  };
  const at::Tensor scaled = (images.to(at::kDouble) / 255 - row(options.mean)) / row(options.std);
  return scaled.permute({0, 3, 1, 2});
}

std::string error_of(const at::Tensor& images, const std::vector<kernels::SampleMix>& mix) {
  return error_text([&] { image_batch(images, {mix_table(mix)}, {}); });
}

TEST_CASE("image_batch normalises and turns channels first, with the options' mean and std") {
  ImageBatchOptions options;
  options.mean = {0.1, 0.2, 0.3};
  options.std = {0.5, 0.25, 2.0};
  const at::Tensor out = image_batch(make_images(), {}, options);
  CHECK(out.sizes() == at::IntArrayRef({3, 3, 5, 7}));
  CHECK(relative_error(out, normalised(make_images(), options)) < kFloat);
}

TEST_CASE("image_batch in bfloat16 is the rounded float batch") {
  ImageBatchOptions options;
  const at::Tensor wanted = image_batch(make_images(), {}, options).to(at::kBFloat16);
  options.dtype = at::kBFloat16;
  CHECK(same_bits(image_batch(make_images(), {}, options), wanted));
}

TEST_CASE("an unmixed entry leaves its image alone and a box brings the partner's pixels") {
  kernels::SampleMix boxed;
  boxed.partner = 2;
  boxed.y0 = 1;
  boxed.y1 = 4;
  boxed.x0 = 2;
  boxed.x1 = 5;
  std::vector<kernels::SampleMix> mix(3);
  mix[0] = boxed;
  const at::Tensor plain = image_batch(make_images(), {}, {});
  const at::Tensor mixed = image_batch(make_images(), {mix_table(mix)}, {});
  at::Tensor wanted = plain.clone();
  wanted[0].narrow(1, 1, 3).narrow(2, 2, 3).copy_(plain[2].narrow(1, 1, 3).narrow(2, 2, 3));
  CHECK(same_bits(mixed, wanted));
}

TEST_CASE("an erased box has its colour, and its partner is mixed as erased") {
  std::vector<kernels::EraseBox> boxes(6);  // two for each image
  boxes[5] = {1, 3, 0, 7, {0.5F, -1.0F, 2.0F}, {}};
  std::vector<kernels::SampleMix> mix(3);
  mix[1] = {2, 0.25F};
  mix[0].partner = 2;
  mix[2].partner = 0;
  at::Tensor plain = image_batch(make_images(), {}, {});
  const at::Tensor out = image_batch(make_images(), {mix_table(mix), box_table(boxes, 3)}, {});
  plain[2].narrow(1, 1, 2).copy_(at::tensor({0.5F, -1.0F, 2.0F}).view({3, 1, 1}));
  CHECK(same_bits(out[2], plain[2]));
  CHECK(same_bits(out[1], plain[1] * 0.25F + plain[2] * 0.75F));
  CHECK(same_bits(out[0], plain[0]));
}

TEST_CASE("an erased box of noise is near no image and the same with every table") {
  ImageBatchOptions options;
  options.erase_fill = kernels::EraseFill::kNoise;
  std::vector<kernels::EraseBox> boxes(3);
  boxes[1] = {0, 5, 0, 7, {}, {1, 2}};
  const at::Tensor three = image_batch(make_images(), {{}, box_table(boxes, 3)}, options);
  const at::Tensor one =
      image_batch(make_images().narrow(0, 1, 1), {{}, box_table({boxes[1]}, 1)}, options);
  CHECK(same_bits(three[1], one[0]));
  CHECK(same_bits(three[0], image_batch(make_images(), {}, {})[0]));
  CHECK(std::abs(three[1].mean().item<double>()) < 5 / std::sqrt(105.0));
  CHECK(std::abs(three[1].square().mean().item<double>() - 1) < 5 * std::sqrt(2 / 105.0));
}

TEST_CASE("image_batch refuses boxes that do not fit the batch") {
  const std::vector<kernels::EraseBox> boxes(4);
  CHECK(contains(
      error_text([&] { box_table(boxes, 3); }),
      "image_batch: 4 boxes are not equally many for each of 3 images"));
  CHECK(contains(
      error_text([&] {
        image_batch(make_images(), {{}, box_table(boxes, 2)}, {});
      }),
      "image_batch: boxes must have one entry per image = 3, got 2"));
}

TEST_CASE("image_batch gives the same bits on one thread, on two, and again") {
  CHECK(is_reproducible([] {
    std::vector<kernels::SampleMix> mix(8, {3, 0.3F});
    return std::vector<at::Tensor>{image_batch(make_images(8), {mix_table(mix)}, {})};
  }));
}

TEST_CASE("image_batch refuses images of the wrong layout or kind") {
  const std::string wanted =
      "image_batch: images must be a contiguous uint8 (batch, height, width, 3), got ";
  const at::Tensor images = make_images();
  CHECK(contains(error_of(images[0], {}), wanted + "[5, 7, 3]"));
  CHECK(contains(error_of(images.permute({0, 3, 1, 2}), {}), wanted + "[3, 3, 5, 7]"));
  CHECK(contains(error_of(images.to(at::kFloat), {}), wanted));
  CHECK(contains(error_of(images.narrow(2, 0, 6), {}), wanted + "[3, 5, 6, 3]"));
  CHECK(contains(
      error_text([&images] {
        ImageBatchOptions options;
        options.dtype = at::kDouble;
        image_batch(images, {}, options);
      }),
      "expected float, bfloat16 or half, got Double"));
}

TEST_CASE("image_batch refuses a mix that does not fit the batch") {
  CHECK(contains(
      error_of(make_images(), std::vector<kernels::SampleMix>(2)),
      "image_batch: mix must have one entry per image = 3, got 2"));
  std::vector<kernels::SampleMix> mix(3);
  mix[1].partner = 3;
  CHECK(contains(
      error_of(make_images(), mix), "image_batch: partner must lie in the batch of 3, got 3"));
  mix[1].partner = -1;
  CHECK(contains(error_of(make_images(), mix), "got -1"));
}

}  // namespace
}  // namespace vim::ops

// Checks and launch of the image batch kernel.
#include "src/ops/image_batch.h"

#include <ATen/ATen.h>

#include "src/ops/kernel_args.h"

namespace vim::ops {
namespace {

constexpr int64_t kChannels = 3;

void check_mix(const std::vector<kernels::SampleMix>& mix, const at::Tensor& images) {
  TORCH_CHECK(
      mix.empty() || static_cast<int64_t>(mix.size()) == images.size(0),
      "image_batch: mix must have one entry per image = ",
      images.size(0),
      ", got ",
      mix.size());
  for (const kernels::SampleMix& sample : mix) {
    TORCH_CHECK(
        sample.partner >= 0 && sample.partner < images.size(0),
        "image_batch: partner must lie in the batch of ",
        images.size(0),
        ", got ",
        sample.partner);
  }
}

}  // namespace

at::Tensor image_batch(
    const at::Tensor& images,
    const std::vector<kernels::SampleMix>& mix,
    const ImageBatchOptions& options) {
  TORCH_CHECK(
      images.dim() == 4 && images.size(3) == kChannels && images.scalar_type() == at::kByte &&
          images.is_contiguous(),
      "image_batch: images must be a contiguous uint8 (batch, height, width, 3), got ",
      images.sizes());
  check_mix(mix, images);
  kernels::ImageBatchParams params;
  params.batch = images.size(0);
  params.height = images.size(1);
  params.width = images.size(2);
  params.channels = kChannels;
  params.images = images.const_data_ptr<uint8_t>();
  for (size_t c = 0; c < kChannels; ++c) {
    params.mean[c] = static_cast<float>(options.mean[c]);
    params.std[c] = static_cast<float>(options.std[c]);
  }
  params.mix = mix.empty() ? nullptr : mix.data();
  params.out_dtype = kernel_dtype(options.dtype);
  const at::Tensor out = at::empty(
      {params.batch, kChannels, params.height, params.width},
      at::TensorOptions().dtype(options.dtype));
  params.out = out.mutable_data_ptr();
  parallel_rows(kernels::image_batch_num_rows(params), [&params](kernels::RowRange rows) {
    kernels::image_batch(params, rows);
  });
  return out;
}

}  // namespace vim::ops

// Checks and launch of the image batch kernel.
#include "src/ops/image_batch.h"

#include <ATen/ATen.h>

#include <cstring>

#include "src/ops/device_call.h"
#include "src/ops/kernel_args.h"

namespace vim::ops {
namespace {

constexpr int64_t kChannels = 3;

kernels::ImageBatchParams make_params(
    const at::Tensor& images, const at::Tensor& mix, const ImageBatchOptions& options) {
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
  if (mix.defined()) {
    params.mix = static_cast<const kernels::SampleMix*>(mix.const_data_ptr());
  }
  params.patch_size = options.patch_size;
  params.stride = options.stride;
  params.out_dtype = kernel_dtype(options.dtype);
  return params;
}

std::vector<int64_t> out_shape(const kernels::ImageBatchParams& params) {
  if (params.patch_size == 0) {
    return {params.batch, params.channels, params.height, params.width};
  }
  return {
      params.batch,
      kernels::image_windows(params).count,
      params.channels * params.patch_size * params.patch_size};
}

}  // namespace

at::Tensor mix_table(const std::vector<kernels::SampleMix>& mix) {
  if (mix.empty()) {
    return {};
  }
  const auto batch = static_cast<int64_t>(mix.size());
  for (const kernels::SampleMix& sample : mix) {
    TORCH_CHECK(
        sample.partner >= 0 && sample.partner < batch,
        "image_batch: partner must lie in the batch of ",
        batch,
        ", got ",
        sample.partner);
  }
  constexpr auto kRowBytes = static_cast<int64_t>(sizeof(kernels::SampleMix));
  const at::Tensor table = at::empty({batch, kRowBytes}, at::TensorOptions().dtype(at::kByte));
  std::memcpy(table.mutable_data_ptr(), mix.data(), static_cast<size_t>(batch * kRowBytes));
  return table;
}

at::Tensor image_batch(
    const at::Tensor& images, const at::Tensor& mix, const ImageBatchOptions& options) {
  TORCH_CHECK(
      images.dim() == 4 && images.size(3) == kChannels && images.scalar_type() == at::kByte &&
          images.is_contiguous(),
      "image_batch: images must be a contiguous uint8 (batch, height, width, 3), got ",
      images.sizes());
  TORCH_CHECK(
      !mix.defined() || mix.size(0) == images.size(0),
      "image_batch: mix must have one entry per image = ",
      images.size(0),
      ", got ",
      mix.defined() ? mix.size(0) : 0);
  check_one_device("image_batch", {images, mix});
  kernels::ImageBatchParams params = make_params(images, mix, options);
  const at::Tensor out = at::empty(out_shape(params), images.options().dtype(options.dtype));
  params.out = out.mutable_data_ptr();
  const DeviceCall call(images);
  if (call.is_on_device()) {
    call.entry (&kernels::DeviceEntries::image_batch)(params, call.stream());
    return out;
  }
  parallel_rows(kernels::image_batch_num_rows(params), [&params](kernels::RowRange rows) {
    kernels::image_batch(params, rows);
  });
  return out;
}

}  // namespace vim::ops

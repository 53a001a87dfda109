// Checks and launch of the image batch kernel.
#include "src/ops/image_batch.h"

#include <ATen/ATen.h>

#include <cstring>

#include "src/ops/kernel_args.h"
#include "src/ops/run_kernel.h"

namespace vim::ops {
namespace {

constexpr int64_t kChannels = 3;

kernels::ImageBatchParams make_params(
    const at::Tensor& images, const SampleTables& tables, const ImageBatchOptions& options) {
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
  if (tables.mix.defined()) {
    params.mix = static_cast<const kernels::SampleMix*>(tables.mix.const_data_ptr());
  }
  if (tables.boxes.defined()) {
    params.boxes = static_cast<const kernels::EraseBox*>(tables.boxes.const_data_ptr());
    params.num_boxes = tables.boxes.size(1) / static_cast<int64_t>(sizeof(kernels::EraseBox));
    params.erase_fill = options.erase_fill;
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

// (num_rows, bytes of a row) bytes on the CPU.
template <typename Entry>
at::Tensor byte_table(const std::vector<Entry>& entries, int64_t num_rows) {
  const auto num_bytes = static_cast<int64_t>(entries.size() * sizeof(Entry));
  const at::Tensor table = at::empty({num_rows, num_bytes / num_rows}, at::kByte);
  std::memcpy(table.mutable_data_ptr(), entries.data(), static_cast<size_t>(num_bytes));
  return table;
}

void check_table(const char* name, const at::Tensor& table, const at::Tensor& images) {
  TORCH_CHECK(
      !table.defined() || table.size(0) == images.size(0),
      "image_batch: ",
      name,
      " must have one entry per image = ",
      images.size(0),
      ", got ",
      table.defined() ? table.size(0) : 0);
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
  return byte_table(mix, batch);
}

at::Tensor box_table(const std::vector<kernels::EraseBox>& boxes, int64_t batch) {
  if (boxes.empty()) {
    return {};
  }
  TORCH_CHECK(
      batch > 0 && static_cast<int64_t>(boxes.size()) % batch == 0,
      "image_batch: ",
      boxes.size(),
      " boxes are not equally many for each of ",
      batch,
      " images");
  return byte_table(boxes, batch);
}

at::Tensor image_batch(
    const at::Tensor& images, const SampleTables& tables, const ImageBatchOptions& options) {
  TORCH_CHECK(
      images.dim() == 4 && images.size(3) == kChannels && images.scalar_type() == at::kByte &&
          images.is_contiguous(),
      "image_batch: images must be a contiguous uint8 (batch, height, width, 3), got ",
      images.sizes());
  check_table("mix", tables.mix, images);
  check_table("boxes", tables.boxes, images);
  check_one_device("image_batch", {images, tables.mix, tables.boxes});
  kernels::ImageBatchParams params = make_params(images, tables, options);
  const at::Tensor out = at::empty(out_shape(params), images.options().dtype(options.dtype));
  params.out = out.mutable_data_ptr();
  run_kernel(
      images,
      &kernels::DeviceEntries::image_batch,
      kernels::image_batch,
      kernels::image_batch_num_rows(params),
      params);
  return out;
}

}  // namespace vim::ops

// The loader's memory is viewed, not copied: it stays valid until its next batch.
#include "src/train/batch_input.h"

#include <ATen/ATen.h>

#include "src/data/erase.h"

namespace vim::train {

at::ScalarType compute_dtype(Precision precision) {
  return precision == Precision::kBFloat16  ? at::kBFloat16
         : precision == Precision::kFloat16 ? at::kHalf
                                            : at::kFloat;
}

InputOptions input_options(
    const models::VisionMambaOptions& model,
    const data::AugmentOptions& augment,
    Precision precision,
    const at::Device& device) {
  InputOptions options{model.img_size, augment, precision, 0, 0};
  if (device.is_cuda()) {
    options.patch_size = model.patch_size;
    options.stride = model.stride;
  }
  return options;
}

std::vector<at::Tensor> PassInputs::tensors() const {
  std::vector<at::Tensor> result;
  for (const at::Tensor& tensor :
       {images,
        tables.mix,
        tables.boxes,
        labels,
        targets,
        draws.drop_path_masks,
        draws.dropout_mask}) {
    if (tensor.defined()) {
      result.push_back(tensor);
    }
  }
  return result;
}

PassInputs PassInputs::empty_on(const at::Device& device) const {
  PassInputs result = *this;
  for (at::Tensor* tensor :
       {&result.images,
        &result.tables.mix,
        &result.tables.boxes,
        &result.labels,
        &result.targets,
        &result.draws.drop_path_masks,
        &result.draws.dropout_mask}) {
    if (tensor->defined()) {
      *tensor = at::empty(tensor->sizes(), tensor->options().device(device));
    }
  }
  return result;
}

at::Tensor image_bytes(const data::LoadedBatch& batch, const std::array<int64_t, 2>& img_size) {
  // from_blob has no read-only form; whoever gets this only reads.
  return at::from_blob(
      const_cast<uint8_t*>(batch.images), {batch.size, img_size[0], img_size[1], 3}, at::kByte);
}

at::Tensor input_images(
    const at::Tensor& images, const ops::SampleTables& tables, const InputOptions& options) {
  ops::ImageBatchOptions stage;
  stage.mean = options.augment.mean;
  stage.std = options.augment.std;
  stage.dtype = compute_dtype(options.precision);
  stage.patch_size = options.patch_size;
  stage.stride = options.stride;
  stage.erase_fill = data::erase_fill(options.augment);
  return ops::image_batch(images, tables, stage);
}

at::Tensor label_tensor(const data::LoadedBatch& batch) { return at::tensor(batch.labels); }

}  // namespace vim::train

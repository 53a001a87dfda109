// The loader's memory is viewed, not copied: it stays valid until its next batch.
#include "src/train/batch_input.h"

#include <ATen/ATen.h>

#include "src/ops/image_batch.h"

namespace vim::train {

at::ScalarType compute_dtype(Precision precision) {
  return precision == Precision::kBFloat16 ? at::kBFloat16 : at::kFloat;
}

at::Tensor input_images(
    const data::LoadedBatch& batch,
    const std::vector<kernels::SampleMix>& mix,
    const InputOptions& options) {
  // from_blob has no read-only form; image_batch only reads.
  const at::Tensor images = at::from_blob(
      const_cast<uint8_t*>(batch.images),
      {batch.size, options.img_size[0], options.img_size[1], 3},
      at::kByte);
  ops::ImageBatchOptions stage;
  stage.mean = options.augment.mean;
  stage.std = options.augment.std;
  stage.dtype = compute_dtype(options.precision);
  return ops::image_batch(images, mix, stage);
}

at::Tensor label_tensor(const data::LoadedBatch& batch) { return at::tensor(batch.labels); }

}  // namespace vim::train

// From a loaded batch to what the model and the loss take.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <vector>

#include "kernels/image_batch.h"
#include "src/data/data_options.h"
#include "src/data/loader.h"
#include "src/train/train_options.h"

namespace vim::train {

struct InputOptions {
  std::array<int64_t, 2> img_size = {0, 0};
  data::AugmentOptions augment;  // mean and std
  Precision precision = Precision::kFloat32;
};

/// The type activations are stored in.
at::ScalarType compute_dtype(Precision precision);

/// (batch, 3, height, width), normalised and mixed; see ops::image_batch. An empty mix mixes
/// nothing.
at::Tensor input_images(
    const data::LoadedBatch& batch,
    const std::vector<kernels::SampleMix>& mix,
    const InputOptions& options);

/// (batch), int64.
at::Tensor label_tensor(const data::LoadedBatch& batch);

}  // namespace vim::train

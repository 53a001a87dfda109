// From a loaded batch to what the model and the loss take.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <vector>

#include "src/data/data_options.h"
#include "src/data/loader.h"
#include "src/models/step_draws.h"
#include "src/ops/image_batch.h"
#include "src/train/train_options.h"

namespace vim::train {

struct InputOptions {
  std::array<int64_t, 2> img_size = {0, 0};
  data::AugmentOptions augment;  // mean, std and what erases
  Precision precision = Precision::kFloat32;
  int64_t patch_size = 0;  // 0: whole images; otherwise cut into patches for the model
  int64_t stride = 0;
};

/// The options for a model; images come as patches where it computes on `device`, a GPU, which
/// saves a copy of them.
InputOptions input_options(
    const models::VisionMambaOptions& model,
    const data::AugmentOptions& augment,
    Precision precision,
    const at::Device& device);

/// The type activations are stored in.
at::ScalarType compute_dtype(Precision precision);

/// All that one forward-backward pass depends on beside the weights; tensors on one device.
struct PassInputs {
  at::Tensor images;  // (batch, height, width, 3), uint8
  ops::SampleTables tables;
  at::Tensor labels;   // (batch), int64; undefined where there are targets
  at::Tensor targets;  // (batch, num_classes), float; undefined where there are labels
  models::StepDraws draws;

  /// The tensors that are defined, in a fixed order; draws.token_order is not among them.
  std::vector<at::Tensor> tensors() const;

  /// The same with tensors of the same shapes on `device`, uninitialised.
  PassInputs empty_on(const at::Device& device) const;
};

/// The loader's images, (batch, height, width, 3), uint8: a view of its memory, valid until its
/// next batch.
at::Tensor image_bytes(const data::LoadedBatch& batch, const std::array<int64_t, 2>& img_size);

/// Images or patches, normalised, erased and mixed; see ops::image_batch.
at::Tensor input_images(
    const at::Tensor& images, const ops::SampleTables& tables, const InputOptions& options);

/// (batch), int64.
at::Tensor label_tensor(const data::LoadedBatch& batch);

}  // namespace vim::train

// Accuracy and loss of a model over a data set.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <vector>

#include "src/data/data_options.h"
#include "src/data/source/dataset.h"
#include "src/models/features.h"
#include "src/models/vision_mamba_options.h"
#include "src/train/train_options.h"
#include "src/train/train_state.h"

namespace vim::models {
class VisionMamba;
}

namespace vim::train {

/// How many of the likeliest classes are kept and counted.
inline constexpr int64_t kTopClasses = 5;

struct EvaluatorOptions {
  int64_t batch = 64;
  Precision precision = Precision::kFloat32;
  uint64_t seed = 0;
  data::DataOptions data;        // workers and prefetch
  data::AugmentOptions augment;  // crop, mean and std
  bool keep_logits = false;
  bool keep_top = false;         // the likeliest classes of each image
  bool unweighted_loss = false;  // official: a mean over batches, whatever their size
  std::optional<models::FeatureOptions> features;  // make these too; nothing is drawn then
};

struct EvalResult {
  EvalMetrics metrics;  // means over images
  int64_t num_images = 0;
  double images_per_second = 0.0;
  at::Tensor logits;            // (num_images, num_classes), float; undefined unless kept
  std::vector<int64_t> labels;  // empty unless logits are kept
  at::Tensor top;               // (num_images, up to 5) as top_classes; undefined unless kept
};

/// Runs the model in evaluation mode over all images in the data set's order and puts it back into
/// the mode it was in. should_stop is asked between batches; if it says yes the result is empty.
/// Throws vim::Error naming an image that cannot be read. Deterministic for one batch size and
/// thread count.
std::optional<EvalResult> evaluate(
    models::VisionMamba& model,
    const data::Dataset& dataset,
    const EvaluatorOptions& options,
    const std::function<bool()>& should_stop);

/// Writes kept logits as a safetensors file: `logits` (num_images, num_classes) and `labels`
/// (num_images), in the data set's order, with the image names as a JSON list under the metadata
/// key "names". Throws vim::Error if writing fails.
void write_logits(
    const std::filesystem::path& path, const EvalResult& result, const data::Dataset& dataset);

}  // namespace vim::train

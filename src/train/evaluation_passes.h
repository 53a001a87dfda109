// The model over the images of a data set, batch by batch and without gradients: what evaluation
// and prediction share.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "src/data/loader.h"
#include "src/data/source/dataset.h"
#include "src/train/evaluator.h"

namespace vim::train {

/// What the model says of one batch, on the model's device. Not overwritten by later batches.
struct BatchOutput {
  at::Tensor logits;  // (batch, num_classes), float
  at::Tensor row;     // (3), double: mean loss, hits at 1 and at 5 against the data set's labels
  at::Tensor top;     // (batch, up to 5), as top_classes; undefined unless kept
  std::vector<at::Tensor> features;  // as extract_features; empty unless wanted
};

/// While it lives, the model is in evaluation mode; afterwards in the mode it was in. The images
/// come in the data set's order, through the transform of evaluation. On a GPU full batches run as
/// a CUDA graph, beside the upload of the next, where nothing is drawn anew for each batch.
class EvaluationPasses {
 public:
  /// Starts loading. The model and the data set must outlive it; options.keep_logits does not
  /// matter here. Throws vim::Error for features that the model does not have.
  EvaluationPasses(
      models::VisionMamba& model, const data::Dataset& dataset, const EvaluatorOptions& options);
  EvaluationPasses(const EvaluationPasses&) = delete;
  EvaluationPasses& operator=(const EvaluationPasses&) = delete;
  ~EvaluationPasses();

  /// The next batch, valid until the next call; nullptr behind the last. Throws vim::Error naming
  /// an image that cannot be read.
  const data::LoadedBatch* load();

  /// Waits for no device. Deterministic for one batch size and thread count.
  BatchOutput run(const data::LoadedBatch& batch);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vim::train

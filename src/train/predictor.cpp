// Probabilities are formed in double on the host: the logits of a batch are few.
#include "src/train/predictor.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "src/train/evaluation_passes.h"
#include "src/train/train_state.h"
#include "src/weights/weight_file.h"

namespace vim::train {
namespace {

// The likeliest classes of each row of logits on the host.
std::vector<Prediction> rank_classes(const at::Tensor& logits, int64_t top) {
  const at::Tensor probabilities = at::softmax(logits.to(at::kDouble), /*dim=*/1);
  const auto [sorted, classes] =
      at::sort(probabilities, /*stable=*/true, /*dim=*/1, /*descending=*/true);
  const auto values = sorted.accessor<double, 2>();
  const auto indices = classes.accessor<int64_t, 2>();
  std::vector<Prediction> predictions(static_cast<size_t>(logits.size(0)));
  for (int64_t row = 0; row < logits.size(0); ++row) {
    for (int64_t place = 0; place < std::min(top, logits.size(1)); ++place) {
      predictions[static_cast<size_t>(row)].top.push_back(
          {indices[row][place], values[row][place]});
    }
  }
  return predictions;
}

}  // namespace

void predict(
    models::VisionMamba& model,
    const data::ImageFiles& images,
    const EvaluatorOptions& options,
    int64_t top,
    const TakePrediction& take) {
  EvaluationPasses passes(model, images, options);
  while (const data::LoadedBatch* batch = passes.load()) {
    const auto predictions = rank_classes(passes.run(*batch).logits.to(at::kCPU), top);
    const auto problems = images.problems();
    for (size_t i = 0; i < predictions.size(); ++i) {
      const int64_t index = batch->indices[i];
      const auto problem = problems.find(index);
      const bool is_good = problem == problems.end();
      take(index, is_good ? predictions[i] : Prediction{{}, problem->second});
    }
  }
}

std::vector<std::string> stored_class_names(const weights::WeightFile& file) {
  const auto state = file.metadata().find("state");
  if (file.format() != weights::WeightFile::Format::kCheckpoint || state == file.metadata().end()) {
    return {};
  }
  return train_state_from_json(state->second, file.name()).identity.class_names;
}

}  // namespace vim::train

// Probabilities are formed in double on the host: the logits of a batch are few.
#include "src/train/predictor.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>
#include <map>

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

using Problems = std::map<int64_t, std::string>;

// The batch's maps on the host, without what a black pixel in place of a bad image has given.
std::vector<at::Tensor> host_maps(
    const BatchOutput& output, const data::LoadedBatch& batch, const Problems& problems) {
  std::vector<at::Tensor> maps;
  for (const at::Tensor& map : output.features) {
    maps.push_back(map.to(at::kCPU));
    for (int64_t row = 0; row < batch.size; ++row) {
      if (problems.contains(batch.indices[static_cast<size_t>(row)])) {
        maps.back().select(0, row).fill_(std::numeric_limits<double>::quiet_NaN());
      }
    }
  }
  return maps;
}

}  // namespace

void predict(
    models::VisionMamba& model,
    const data::ImageFiles& images,
    const EvaluatorOptions& options,
    int64_t top,
    const TakePrediction& take,
    const TakeFeatures& take_features) {
  EvaluationPasses passes(model, images, options);
  while (const data::LoadedBatch* batch = passes.load()) {
    const BatchOutput output = passes.run(*batch);
    const auto predictions = rank_classes(output.logits.to(at::kCPU), top);
    const Problems problems = images.problems();
    if (take_features) {
      take_features(batch->first_position, host_maps(output, *batch, problems));
    }
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

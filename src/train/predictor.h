// The likeliest classes of single images.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "src/data/source/image_files.h"
#include "src/train/evaluator.h"

namespace vim::weights {
class WeightFile;
}

namespace vim::train {

struct ClassProbability {
  int64_t class_index = 0;
  double probability = 0.0;
};

/// An image's classes by falling probability, equal ones by rising class number; or what is wrong
/// with the image and what to do.
struct Prediction {
  std::vector<ClassProbability> top;
  std::string problem;  // empty: there is a prediction
};

/// Takes the feature maps of images first, first + 1, ... (EvaluatorOptions::features); on the CPU,
/// NaN for a bad image.
using TakeFeatures = std::function<void(int64_t first, const std::vector<at::Tensor>& maps)>;

/// Takes the prediction of image `index`.
using TakePrediction = std::function<void(int64_t index, const Prediction& prediction)>;

/// Predicts the `top` likeliest classes (all of them, if there are fewer) of each image, as
/// evaluation sees it, and hands them out in order, a batch at a time. A bad image keeps no other
/// from being predicted. Features, where options ask for them, come before
/// the predictions of the same images. Deterministic for one batch size and thread count.
void predict(
    models::VisionMamba& model,
    const data::ImageFiles& images,
    const EvaluatorOptions& options,
    int64_t top,
    const TakePrediction& take,
    const TakeFeatures& take_features = {});

/// The class names that a training checkpoint holds, by class number; none for other files. Throws
/// vim::Error if the checkpoint's state cannot be read.
std::vector<std::string> stored_class_names(const weights::WeightFile& file);

}  // namespace vim::train

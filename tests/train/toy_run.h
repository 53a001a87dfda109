// A model and images small enough to train in a test.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "src/data/loader.h"
#include "src/data/source/dataset.h"
#include "src/models/vision_mamba.h"
#include "src/train/evaluator.h"
#include "src/train/trainer.h"

namespace vim::test {

inline constexpr int64_t kToySize = 16;  // pixels on a side
inline constexpr int64_t kToyClasses = 3;

/// Noisy images whose mean colour tells the class; the same for the same size.
class ToyImages : public data::Dataset {
 public:
  explicit ToyImages(int64_t size) : size_(size) {}

  int64_t size() const override { return size_; }
  const std::vector<std::string>& class_names() const override { return names_; }
  int64_t label(int64_t index) const override { return index % kToyClasses; }
  std::string name(int64_t index) const override;
  data::StoredImage fetch(int64_t index, std::vector<uint8_t>& buffer) const override;

 private:
  int64_t size_;
  std::vector<std::string> names_ = {"red", "green", "blue"};
};

/// The images first, first + 1, ... of a toy set, as a loader would give them.
struct ToyBatch {
  std::vector<uint8_t> pixels;
  data::LoadedBatch batch;

  ToyBatch(int64_t first, int64_t size);
};

/// Two layers of eight channels with every random choice of training switched on.
models::VisionMambaOptions toy_model_options();

/// Initialised from the seed.
models::VisionMamba make_toy_model(uint64_t seed);

/// Two mixing groups of four in a global batch of eight, all augmentation on, a clipped AdamW.
train::TrainStepOptions toy_step_options();

/// Two loader workers; the logits are kept.
train::EvaluatorOptions toy_evaluator_options(int64_t batch);

/// Three epochs into the given folder.
train::TrainerOptions toy_trainer_options(const std::filesystem::path& output);

}  // namespace vim::test

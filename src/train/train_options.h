// Options of the training loop and its checkpoints. Free of LibTorch.
#pragma once

#include <cstdint>

#include "src/models/vision_mamba_options.h"

namespace vim::train {

enum class Precision { kFloat32, kBFloat16, kFloat16 };

/// Where the model computes; kAuto: on the GPU if this build and this machine have one.
enum class DeviceChoice { kAuto, kCpu, kCuda };

struct TrainOptions {
  int64_t epochs = 300;
  int64_t global_batch = 1024;
  int64_t micro_batch = 0;  // 0: auto
  DeviceChoice device = DeviceChoice::kAuto;
  Precision precision = Precision::kFloat32;
  bool tf32 = false;  // round the factors of float products to TF32 on the GPU
  models::Recompute recompute = models::Recompute::kCheap;
  bool cuda_graph = true;  // run the step as one CUDA graph where that is possible
  uint64_t seed = 0;
  int64_t eval_interval = 1;          // epochs between evaluations; 0: only after the last
  int64_t eval_batch = 0;             // 0: the micro-batch
  int64_t log_interval = 10;          // steps between console lines
  int64_t max_skipped_steps = 10;     // non-finite steps in a row that end the run
  int64_t threads = 0;                // compute threads; 0: all cores
  bool unweighted_test_loss = false;  // official: the mean over batches, whatever their size
};

/// Whose accuracy on the evaluation images makes a checkpoint the best: that of the trained
/// weights, as officially, or of their average.
enum class BestBy { kModel, kEma };

struct CheckpointOptions {
  int64_t interval_steps = 0;  // 0: at the end of every epoch
  int64_t keep = 2;            // newest files kept, beside the best one
  BestBy best_by = BestBy::kModel;
};

}  // namespace vim::train

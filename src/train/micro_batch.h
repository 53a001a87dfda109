// How many images go through the model at once. The global batch is what the recipe fixes; the
// micro-batch only decides how much memory it takes.
#pragma once

#include <cstdint>

#include "src/models/vision_mamba_options.h"
#include "src/train/train_options.h"

namespace vim::train {

/// Memory, in bytes, that one image's activations take between forward and backward: an estimate
/// from the shapes and from what the backward computes again, meant to err on the high side.
int64_t estimate_activation_bytes(
    const models::VisionMambaOptions& model, const TrainOptions& train, bool is_on_gpu);

/// Memory, in bytes, that this process may still take: the system's available memory, or what a
/// control group (version 2) leaves of it.
int64_t available_memory_bytes();

struct MicroBatchRequest {
  int64_t global_batch = 0;
  int64_t mix_group = 1;   // a micro-batch holds whole groups
  int64_t configured = 0;  // 0: choose
  int64_t bytes_per_image = 0;
  int64_t memory_bytes = 0;
};

/// The configured size, or the largest multiple of mix_group that divides global_batch and whose
/// activations fit 80 % of the memory; if none fits, the smallest. Throws vim::Error for a
/// configured size that is no such multiple and divisor.
int64_t choose_micro_batch(const MicroBatchRequest& request);

}  // namespace vim::train

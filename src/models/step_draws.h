// The random choices of one forward pass. The model never draws by itself: the caller does, keyed
// by (seed, step, position in the global batch), so that the same step can be run again anywhere.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>

#include "src/models/vision_mamba_options.h"

namespace vim::models {

/// Defaults mean: nothing random. A pass in evaluation mode ignores the masks.
struct StepDraws {
  std::optional<int64_t> cls_position;  // ClsPosition::kRandom: patches in front of the class token
  at::Tensor token_order;      // (num_tokens), int64, on the CPU: new token i is old token order[i]
  bool flip_tokens = false;    // reverse the sequence before the first block
  at::Tensor drop_path_masks;  // (depth + 1, batch), 0 or 1; the last row is the final norm's
  at::Tensor dropout_mask;     // (batch, num_tokens, embed_dim), 0 or 1; both on the model's device
};

/// Where in the run a pass stands. `first_position` is the place of its first image in the global
/// batch.
struct DrawKey {
  uint64_t seed = 0;
  uint64_t step = 0;
  int64_t first_position = 0;
};

/// Draws for a pass over `batch` images. Choices that hold for a whole batch (class position, token
/// order, flip) depend on (seed, step) alone; masks also on each image's place in the global batch.
/// In evaluation, training-only choices stay off.
StepDraws draw_step(
    const VisionMambaOptions& options, const DrawKey& key, int64_t batch, bool is_training);

}  // namespace vim::models

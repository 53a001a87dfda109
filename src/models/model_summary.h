// What a model costs, from its options alone: parameters, multiply-adds, activation memory.
#pragma once

#include <cstdint>
#include <string>

#include "src/models/vision_mamba_options.h"

namespace vim::models {

struct ModelSummary {
  int64_t num_tokens = 0;
  int64_t num_parameters = 0;
  int64_t forward_flops = 0;     // per image; a multiply-add counts as 2
  int64_t activation_bytes = 0;  // kept for the backward pass, per image
};

/// What a layer keeps of a token for its backward, as kernels on a GPU do it.
struct LayerBytes {
  int64_t entering = 0;  // hidden state and residual
  int64_t cheap = 0;     // residual, xz, ungated sum, projections: Recompute::kCheap
  int64_t whole = 0;     // norm, convolutions, step sizes and scan states, too: kNone
};

LayerBytes layer_bytes(const VisionMambaOptions& options, int64_t activation_size);

/// Analytic figures; the formulas stand in docs/model.md. `activation_size` is the bytes of one
/// activation in the blocks (4 for float, 2 for bfloat16).
ModelSummary summarize(
    const VisionMambaOptions& options,
    int64_t activation_size,
    Recompute recompute = Recompute::kCheap);

/// The summary as a few readable lines.
std::string to_text(const VisionMambaOptions& options, const ModelSummary& summary);

}  // namespace vim::models

// Two-dimensional rotary position embedding over the patch grid (vim_spec 1.9).
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

namespace vim::nn {

struct RopeOptions {
  int64_t embed_dim = 192;  // divisible by 4
  int64_t grid_height = 14;
  int64_t grid_width = 14;
  int64_t pretrain_grid = 14;  // positions are scaled to this many cells per side
};

/// The tables under their official names: freqs_cos and freqs_sin, (grid_height * grid_width,
/// embed_dim). Angles of every grid cell, row by row: the row's in the first half of the channels,
/// the column's in the second, each frequency twice.
class RopeImpl : public torch::nn::Module {
 public:
  explicit RopeImpl(const RopeOptions& options);

  /// Returns t * cos + rotate_pairs(t) * sin for the tokens at `slots` (one per grid cell, in
  /// order), all other tokens as they are. rotate_pairs turns adjacent channels (a, b) into (-b,
  /// a). tokens: (batch, seqlen, embed_dim); same shape and dtype out.
  at::Tensor forward(const at::Tensor& tokens, const at::Tensor& slots);

  int64_t num_cells() const { return freqs_cos.size(0); }

  at::Tensor freqs_cos;
  at::Tensor freqs_sin;
};
TORCH_MODULE(Rope);

}  // namespace vim::nn

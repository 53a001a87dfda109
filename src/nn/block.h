// One layer: add and norm, then the mixer.
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <optional>

#include "src/nn/mamba_mixer.h"
#include "src/nn/norm.h"

namespace vim::nn {

struct BlockOptions {
  MambaMixerOptions mixer;
  NormOptions norm;
};

struct BlockOutput {
  /// The mixer's output, (batch, seqlen, embed_dim), in the compute dtype.
  at::Tensor hidden;
  /// The block's input side, float: the mixer's output joins it in the next block's norm.
  at::Tensor residual;
};

class BlockImpl : public torch::nn::Module {
 public:
  explicit BlockImpl(const BlockOptions& options);

  /// residual' = residual + drop_path(hidden) (hidden alone in front of the first block);
  /// returns {mixer(norm(residual')), residual'}. prepared: see MambaMixer. Inputs that nobody else
  /// holds leave their memory to the mixer. With only_token, both are those of this token alone,
  /// (batch, 1, embed_dim); see MambaMixer::forward. Source: vim_spec 1.4.
  BlockOutput forward(
      at::Tensor hidden,
      at::Tensor residual,
      const DropPathMask& drop_path,
      at::ScalarType compute_dtype,
      const ops::PreparedBranches& prepared = {},
      std::optional<int64_t> only_token = {});

  MambaMixer mixer{nullptr};
  Norm norm{nullptr};
};
TORCH_MODULE(Block);

}  // namespace vim::nn

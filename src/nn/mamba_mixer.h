// The Mamba mixer in one or two directions (Vim, arXiv 2401.09417, algorithm 1).
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <vector>

#include "src/nn/linear.h"
#include "src/nn/mamba_mixer_options.h"
#include "src/ops/bidirectional_mamba.h"

namespace vim::nn {

/// Depthwise convolution weights under their official names. weight: (channels, 1, width); bias:
/// (channels).
class DepthwiseConvImpl : public torch::nn::Module {
 public:
  DepthwiseConvImpl(int64_t channels, int64_t width, bool has_bias);

  /// PyTorch's default: weight, then bias, U(+-1/sqrt(width)).
  void reset_parameters(at::Generator& generator);

  at::Tensor weight;
  at::Tensor bias;
};
TORCH_MODULE(DepthwiseConv);

/// Registered names and order equal the official mixer's state dict (vim_spec 2.2).
class MambaMixerImpl : public torch::nn::Module {
 public:
  /// Throws c10::Error for sizes that do not fit together.
  explicit MambaMixerImpl(const MambaMixerOptions& options);

  /// The constructor's draws in the official order (vim_spec 3.3, step 3); out_proj is drawn again
  /// by reset_out_proj once the whole model has been drawn.
  void reset_parameters(at::Generator& generator, bool zero_backward_dt_bias);

  /// out_proj.weight: U(+-1/sqrt(d_inner)) divided by `divisor`.
  void reset_out_proj(at::Generator& generator, double divisor);

  /// Returns the mixed tokens. tokens: (batch, seqlen, embed_dim), float or 16 bits; same out.
  /// prepared: of branches() as they are now; undefined tensors: made in this call. only_token:
  /// this one of the result alone, (batch, 1, embed_dim), each direction walking only the tokens
  /// that it sees; not for v1, whose convolution goes forward in both directions.
  at::Tensor forward(
      const at::Tensor& tokens,
      const ops::PreparedBranches& prepared = {},
      std::optional<int64_t> only_token = {});

  /// The part behind the in-projection, from xz (batch, seqlen, 2 d_inner). Without gradients xz
  /// may be overwritten.
  at::Tensor mix(
      const at::Tensor& xz,
      const ops::PreparedBranches& prepared = {},
      std::optional<int64_t> only_token = {});

  /// The parameters of each direction.
  std::vector<ops::Branch> branches() const;

  /// Makes ahead what passes without gradients would make of the parameters each time. They must
  /// not change afterwards. dtype: of the activations.
  void prepare_inference(at::ScalarType dtype);

  /// The in-projection, for the norm in front of the mixer to do along; it has a bias only with
  /// linear_bias.
  Linear& in_proj() { return in_proj_; }

  at::Tensor gradient_mode;        // of the parameters outside the linear layers; may be undefined
  bool keeps_activations = false;  // see ops::BidirectionalMambaOptions

  const MambaMixerOptions& options() const { return options_; }

 private:
  // One direction's own modules and parameters.
  struct Direction {
    at::Tensor A_log;
    at::Tensor D;
    DepthwiseConv conv{nullptr};
    Linear x_proj{nullptr};
    Linear dt_proj{nullptr};
  };

  void register_direction(Direction& direction, const std::string& suffix);
  void draw_dt_proj(Direction& direction, at::Generator& generator, bool draws_delta);
  ops::Branch make_branch(const Direction& direction, bool reversed) const;
  ops::BidirectionalMambaOptions core_options(const ops::PreparedBranches& prepared) const;
  at::Tensor scaled(const at::Tensor& out) const;

  MambaMixerOptions options_;
  at::Tensor gamma_;  // (embed_dim), or undefined
  Direction forward_;
  Direction backward_;  // v1 fills A_log alone
  Linear in_proj_{nullptr};
  Linear out_proj_{nullptr};
  ops::PreparedBranches prepared_;
};
TORCH_MODULE(MambaMixer);

}  // namespace vim::nn

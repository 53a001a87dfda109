// Counts by formula (vim_spec 1.10 for parameters); tests compare them with a built model.
#include "src/models/model_summary.h"

#include <fmt/format.h>

#include "src/models/layer_group.h"

namespace vim::models {
namespace {

// Sizes that every formula below needs.
struct Sizes {
  explicit Sizes(const VisionMambaOptions& options)
      : tokens(options.num_tokens()),
        embed_dim(options.mixer.embed_dim),
        d_inner(options.mixer.d_inner()),
        d_state(options.mixer.d_state),
        d_conv(options.mixer.d_conv),
        dt_rank(options.mixer.effective_dt_rank()),
        projected(dt_rank + 2 * d_state),
        scans(options.mixer.bimamba == nn::Bimamba::kNone ? 1 : 2),
        branches(options.mixer.bimamba == nn::Bimamba::kV2 ? 2 : 1) {}
  int64_t tokens;
  int64_t embed_dim;
  int64_t d_inner;
  int64_t d_state;
  int64_t d_conv;
  int64_t dt_rank;
  int64_t projected;
  int64_t scans;     // directions scanned
  int64_t branches;  // directions with convolution and projections of their own
};

int64_t norm_parameters(const VisionMambaOptions& options) {
  return options.mixer.embed_dim * (options.norm == Norm::kLayer ? 2 : 1);
}

int64_t layer_parameters(const VisionMambaOptions& options, const Sizes& s) {
  const nn::MambaMixerOptions& mixer = options.mixer;
  int64_t count = 3 * s.d_inner * s.embed_dim;  // in_proj (2 d_inner rows) and out_proj
  count += mixer.linear_bias ? 2 * s.d_inner + s.embed_dim : 0;
  count += s.branches * s.d_inner * (s.d_conv + (mixer.conv_bias ? 1 : 0));
  count += s.branches * s.d_inner * s.projected;
  count += s.branches * s.d_inner * (s.dt_rank + 1);
  count += s.scans * s.d_inner * s.d_state;  // A
  count += s.branches * s.d_inner;           // D
  count += mixer.layer_scale ? s.embed_dim : 0;
  return count + norm_parameters(options);
}

// Per token and layer, multiply-adds as 2. The scan: exp, its argument, state update (3), output
// (2) per state; an exponential counts as 1. SiLU and gate as 4.
int64_t layer_flops_per_token(const Sizes& s) {
  int64_t flops = 2 * s.embed_dim * 2 * s.d_inner;       // in_proj
  flops += s.branches * s.d_inner * (2 * s.d_conv + 4);  // convolution and SiLU
  flops += s.branches * 2 * s.d_inner * s.projected;     // x_proj
  flops += s.branches * 2 * s.d_inner * s.dt_rank;       // dt_proj
  flops += s.scans * s.d_inner * (7 * s.d_state + 8);    // scan, softplus, D
  flops += s.d_inner * 5;                                // sum of directions and gate
  flops += 2 * s.d_inner * s.embed_dim;                  // out_proj
  return flops + 6 * s.embed_dim;                        // add and norm
}

// Of each token, over all layers.
int64_t kept_bytes_per_token(int64_t depth, const LayerBytes& layer, Recompute recompute) {
  switch (recompute) {
    case Recompute::kNone:
      return depth * layer.whole;
    case Recompute::kCheap:
      return depth * layer.cheap;
    case Recompute::kMixer:
      return depth * layer.entering;
    case Recompute::kBlock: {
      // What enters each group of layers, and the insides of the one that is computed again.
      const int64_t group = recomputed_group(recompute, depth);
      return (depth + group - 1) / group * layer.entering + group * layer.cheap;
    }
  }
  return 0;
}

}  // namespace

LayerBytes layer_bytes(const VisionMambaOptions& options, int64_t activation_size) {
  constexpr int64_t kTokensOfKeptState = 8;
  const Sizes s(options);
  const int64_t residual = s.embed_dim * static_cast<int64_t>(sizeof(float));
  const int64_t states = s.scans * s.d_inner * s.d_state / kTokensOfKeptState;
  LayerBytes bytes;
  bytes.entering = residual + activation_size * s.embed_dim;
  bytes.cheap = residual + activation_size * (3 * s.d_inner + s.branches * s.projected);
  bytes.whole = bytes.cheap + activation_size * (s.embed_dim + 2 * s.branches * s.d_inner + states);
  return bytes;
}

ModelSummary summarize(
    const VisionMambaOptions& options, int64_t activation_size, Recompute recompute) {
  const Sizes s(options);
  const int64_t patch_values = options.channels * options.patch_size * options.patch_size;
  ModelSummary summary;
  summary.num_tokens = s.tokens;

  summary.num_parameters = options.depth * layer_parameters(options, s) + norm_parameters(options);
  summary.num_parameters += s.embed_dim * (patch_values + 1);
  summary.num_parameters += options.num_cls_tokens() * s.embed_dim;
  summary.num_parameters += options.pos_embed ? s.tokens * s.embed_dim : 0;
  summary.num_parameters += options.num_classes * (s.embed_dim + 1) * (options.num_classes > 0);

  const int64_t classified = options.cls_position == ClsPosition::kNone &&
                                     (options.pool == Pool::kAll || options.pool == Pool::kMax)
                                 ? s.tokens
                                 : 1;
  summary.forward_flops = options.depth * s.tokens * layer_flops_per_token(s);
  summary.forward_flops += options.num_patches() * 2 * patch_values * s.embed_dim;
  summary.forward_flops += s.tokens * 6 * s.embed_dim;
  summary.forward_flops += classified * 2 * s.embed_dim * options.num_classes;

  summary.activation_bytes =
      s.tokens *
          kept_bytes_per_token(options.depth, layer_bytes(options, activation_size), recompute) +
      options.num_patches() * patch_values * activation_size +
      s.tokens * s.embed_dim * static_cast<int64_t>(sizeof(float));
  return summary;
}

std::string to_text(const VisionMambaOptions& options, const ModelSummary& summary) {
  constexpr double kMega = 1e6;
  constexpr double kGiga = 1e9;
  constexpr double kMebi = 1024.0 * 1024.0;
  return fmt::format(
      "model        depth {}, embed_dim {}, d_inner {}, d_state {}, dt_rank {}\n"
      "images       {} x {}, patch {}, stride {}: {} x {} patches, {} tokens\n"
      "parameters   {} ({:.2f} M)\n"
      "flops        {:.3f} G per image forward (a multiply-add is 2)\n"
      "activations  {:.1f} MiB per image kept for the backward pass\n",
      options.depth,
      options.mixer.embed_dim,
      options.mixer.d_inner(),
      options.mixer.d_state,
      options.mixer.effective_dt_rank(),
      options.img_size[0],
      options.img_size[1],
      options.patch_size,
      options.stride,
      options.grid_height(),
      options.grid_width(),
      summary.num_tokens,
      summary.num_parameters,
      static_cast<double>(summary.num_parameters) / kMega,
      static_cast<double>(summary.forward_flops) / kGiga,
      static_cast<double>(summary.activation_bytes) / kMebi);
}

}  // namespace vim::models

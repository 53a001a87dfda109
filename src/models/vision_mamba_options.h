// Options of the Vision Mamba model (vim_spec 1.1). Free of LibTorch.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "src/nn/mamba_mixer_options.h"

namespace vim::models {

/// Where class tokens stand in the sequence: nowhere, in front, in the middle, one at each end, or
/// at a place drawn anew in each step.
enum class ClsPosition { kNone, kHead, kMiddle, kDouble, kRandom };

/// What becomes of the tokens without a class token: the last one, their mean, the largest logit
/// over tokens, or logits for every token.
enum class Pool { kLast, kMean, kMax, kAll };

enum class Norm { kRms, kLayer };

/// What a backward computes again instead of keeping it: nothing that would take long; what is
/// cheap for the memory it takes (norms, convolutions and the states of the scans); all of a layer
/// but what enters it; or all of a group of about sqrt(depth) layers.
enum class Recompute { kNone, kCheap, kMixer, kBlock };

/// How a position embedding comes to another patch grid. kUpstream is the official code's way
/// (vim_spec 6.7, Q9): the first rows count as the class tokens', wherever those stand, and the
/// rest as a square map. kCorrect takes the class tokens' rows from their slots, resizes the
/// patches' map, of any aspect ratio, and puts the class tokens' rows into their slots of the new
/// sequence.
enum class PosEmbedResize { kUpstream, kCorrect };

struct VisionMambaOptions {
  std::string preset;                            // name it was made from, for the record
  std::array<int64_t, 2> img_size = {224, 224};  // height, width
  int64_t channels = 3;
  int64_t patch_size = 16;
  int64_t stride = 16;
  int64_t depth = 24;
  int64_t num_classes = 1000;
  nn::MambaMixerOptions mixer;  // holds embed_dim, d_state, bimamba, ...
  ClsPosition cls_position = ClsPosition::kMiddle;
  Pool pool = Pool::kMean;
  Norm norm = Norm::kRms;
  double norm_epsilon = 1e-5;
  bool pos_embed = true;
  bool rope = false;
  bool rope_residual = false;
  int64_t rope_pretrain_grid = 14;
  bool rope_skips_first_token = true;  // official: token 0 stays unrotated where the count is odd
  bool bidirectional_pairs = false;    // layers 2i and 2i+1 walk in opposite directions
  bool random_token_order = false;
  double token_flip_prob = 0.0;  // probability of reversing the token sequence, one draw a batch
  bool token_flip_in_eval = true;
  double drop_rate = 0.0;
  double drop_path_rate = 0.1;
  double init_range = 0.02;              // standard deviation of head, pos_embed and class tokens
  bool rescale_prenorm_residual = true;  // out_proj.weight divided by sqrt(depth) at the start
  bool zero_backward_dt_bias = true;     // official: dt_proj_b.bias starts at 0

  int64_t grid_height() const { return (img_size[0] - patch_size) / stride + 1; }
  int64_t grid_width() const { return (img_size[1] - patch_size) / stride + 1; }
  int64_t num_patches() const { return grid_height() * grid_width(); }
  int64_t num_cls_tokens() const {
    return cls_position == ClsPosition::kNone ? 0 : cls_position == ClsPosition::kDouble ? 2 : 1;
  }
  int64_t num_tokens() const { return num_patches() + num_cls_tokens(); }
};

}  // namespace vim::models

// Maps of features from inside the model, for detection, segmentation and the like
// (vim_spec 10.2).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "src/models/vision_mamba_options.h"

namespace vim::models {

class VisionMamba;

/// What stands for a layer: the hidden state that leaves it, or the residual behind it, in which
/// its hidden state is included: the one that the next layer adds up.
enum class FeatureKind { kHidden, kResidual };

/// What stands for the last layer, behind which no layer adds up: its hidden state, hidden state
/// and residual added, or the final norm of that sum.
enum class LastFeature { kHidden, kAdd, kNorm };

struct FeatureOptions {
  std::vector<int64_t> layers;  // from 0, in the order wanted
  FeatureKind kind = FeatureKind::kHidden;
  // Absent: kHidden for hidden states, kAdd for residuals.
  std::optional<LastFeature> last = std::nullopt;
};

/// What options.last says, or its default.
LastFeature last_feature(const FeatureOptions& options);

struct Features {
  std::vector<at::Tensor> maps;  // by place in FeatureOptions::layers
  at::Tensor head_input;         // VisionMamba::forward_features' result
};

/// The last layers of the four quarters of the depth: 5, 11, 17 and 23 of 24.
std::vector<int64_t> quarter_layers(int64_t depth);

/// Throws vim::Error, beginning with `where`, for a layer that the model does not have, one wanted
/// twice, or any but the last one with bidirectional_pairs, whose layers share their outputs.
void check_feature_layers(
    const VisionMambaOptions& model, const FeatureOptions& features, const std::string& where);

/// Features of images, which are as VisionMamba::forward takes them. Maps: (batch, embed_dim,
/// grid_height, grid_width), float, contiguous, class tokens left out. Nothing is drawn: the token
/// sequence is neither shuffled nor flipped. Throws as check_feature_layers.
Features extract_features(
    VisionMamba& model, const at::Tensor& images, const FeatureOptions& options);

}  // namespace vim::models

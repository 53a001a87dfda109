// Which of the layers' outputs make a feature, and their way from tokens to maps.
#include "src/models/features.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>

#include "src/core/error.h"
#include "src/models/cls_slots.h"
#include "src/models/vision_mamba.h"

namespace vim::models {
namespace {

// The entries of LayerOutputs that the features are made of. A residual is that of the next layer.
std::vector<int64_t> wanted_entries(
    const VisionMambaOptions& model, const FeatureOptions& options) {
  std::vector<int64_t> entries;
  for (const int64_t layer : options.layers) {
    const bool is_last = layer == model.depth - 1;
    const bool is_next = !is_last && options.kind == FeatureKind::kResidual;
    const int64_t entry = is_next ? layer + 1 : layer;
    entries.push_back(model.bidirectional_pairs ? entry / 2 : entry);
  }
  return entries;
}

// (batch, num_tokens, embed_dim)
at::Tensor last_tokens(const LayerOutputs& outputs, LastFeature last) {
  switch (last) {
    case LastFeature::kHidden:
      return outputs.hidden.back();
    case LastFeature::kAdd:
      return outputs.residual.back() + outputs.hidden.back();
    case LastFeature::kNorm:
      return outputs.normed;
  }
  TORCH_INTERNAL_ASSERT(false, "unknown last feature");
}

at::Tensor to_map(const at::Tensor& tokens, const VisionMambaOptions& model) {
  const auto slots = cls_slots(model.cls_position, model.num_patches());
  const at::Tensor patches = without_slots(tokens, slots).to(at::kFloat);
  return patches.transpose(1, 2).contiguous().unflatten(
      2, {model.grid_height(), model.grid_width()});
}

}  // namespace

LastFeature last_feature(const FeatureOptions& options) {
  const bool is_hidden = options.kind == FeatureKind::kHidden;
  return options.last.value_or(is_hidden ? LastFeature::kHidden : LastFeature::kAdd);
}

std::vector<int64_t> quarter_layers(int64_t depth) {
  std::vector<int64_t> layers;
  for (int64_t quarter = 1; quarter <= 4; ++quarter) {
    const int64_t layer = depth * quarter / 4 - 1;
    if (layer >= 0 && (layers.empty() || layers.back() != layer)) {
      layers.push_back(layer);
    }
  }
  return layers;
}

void check_feature_layers(
    const VisionMambaOptions& model, const FeatureOptions& features, const std::string& where) {
  for (const int64_t layer : features.layers) {
    if (layer < 0 || layer >= model.depth) {
      throw Error(fmt::format(
          "{}: there is no layer {}; name layers from 0 to {}", where, layer, model.depth - 1));
    }
    if (std::count(features.layers.begin(), features.layers.end(), layer) > 1) {
      throw Error(fmt::format("{}: layer {} is named twice; name it once", where, layer));
    }
    if (model.bidirectional_pairs && layer != model.depth - 1) {
      throw Error(fmt::format(
          "{}: layer {} has no output of its own in a model of bidirectional_pairs; name layer {}",
          where,
          layer,
          model.depth - 1));
    }
  }
}

Features extract_features(
    VisionMamba& model, const at::Tensor& images, const FeatureOptions& options) {
  const VisionMambaOptions& shape = model->options();
  check_feature_layers(shape, options, "extract_features");
  LayerOutputs outputs;
  outputs.wanted = wanted_entries(shape, options);
  Features features;
  features.head_input = model->forward_features(images, {}, &outputs);
  for (size_t i = 0; i < options.layers.size(); ++i) {
    const bool is_last = options.layers[i] == shape.depth - 1;
    const auto entry = static_cast<size_t>(outputs.wanted[i]);
    const at::Tensor tokens =
        is_last ? last_tokens(outputs, last_feature(options))
                : (options.kind == FeatureKind::kHidden ? outputs.hidden : outputs.residual)[entry];
    features.maps.push_back(to_map(tokens, shape));
  }
  return features;
}

}  // namespace vim::models

#include "apps/weights_config.h"

#include <fmt/format.h>

#include <algorithm>

#include "src/core/error.h"
#include "src/models/presets.h"
#include "src/weights/official_checkpoint.h"

namespace vim::apps {
namespace {

// The name under which the official program made the model; "" if it is not told.
std::string official_name(const weights::WeightFile& file) {
  for (const auto& [name, value] : weights::read_official_args(file)) {
    if (name == "model" && models::find_preset(value)) {
      return value;
    }
  }
  return {};
}

int64_t count_layers(const std::vector<weights::WeightTensor>& tensors) {
  return std::count_if(tensors.begin(), tensors.end(), [](const weights::WeightTensor& tensor) {
    return tensor.name.starts_with("layers.") && tensor.name.ends_with(".mixer.A_b_log");
  });
}

// The preset with this position embedding and as many layers; "" if there is none.
std::string preset_of_shapes(const weights::WeightFile& file, const std::string& set) {
  const weights::WeightTensor* embedding = file.find(set, "pos_embed");
  if (embedding == nullptr || embedding->shape.size() != 3) {
    return {};
  }
  for (const std::string_view name : models::preset_names()) {
    const models::VisionMambaOptions options = models::preset_options(name);
    const bool has_shapes = embedding->shape[1] == options.num_tokens() &&
                            embedding->shape[2] == options.mixer.embed_dim &&
                            count_layers(file.tensors(set)) == options.depth;
    if (has_shapes) {
      return std::string(name);
    }
  }
  return {};
}

}  // namespace

std::string config_of_weights(const weights::WeightFile& file) {
  const auto stored = file.metadata().find("config");
  if (stored != file.metadata().end()) {
    return stored->second;
  }
  const std::string set = file.sets().front();
  std::string preset = official_name(file);
  if (preset.empty()) {
    preset = preset_of_shapes(file, set);
  }
  const weights::WeightTensor* head = file.find(set, "head.bias");
  if (preset.empty() || head == nullptr || head->shape.size() != 1) {
    throw Error(
        file.name() +
        ": carries no configuration, and its weights are of no preset; pass --config");
  }
  return fmt::format("model:\n  preset: {}\ndata:\n  num_classes: {}\n", preset, head->shape[0]);
}

}  // namespace vim::apps

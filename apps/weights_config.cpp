#include "apps/weights_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "src/config/config.h"
#include "src/core/error.h"
#include "src/models/presets.h"
#include "src/weights/official_checkpoint.h"

namespace vim::apps {
namespace {

int64_t count_layers(const std::vector<weights::WeightTensor>& tensors) {
  return std::count_if(tensors.begin(), tensors.end(), [](const weights::WeightTensor& tensor) {
    return tensor.name.starts_with("layers.") && tensor.name.ends_with(".mixer.A_b_log");
  });
}

// What the tensors of a set say of the model's size.
struct StoredSize {
  int64_t num_tokens = 0;  // 0: there is no position embedding
  int64_t embed_dim = 0;
  int64_t depth = 0;

  StoredSize(const weights::WeightFile& file, const std::string& set)
      : depth(count_layers(file.tensors(set))) {
    const weights::WeightTensor* embedding = file.find(set, "pos_embed");
    if (embedding != nullptr && embedding->shape.size() == 3) {
      num_tokens = embedding->shape[1];
      embed_dim = embedding->shape[2];
    }
  }

  // For any image size.
  bool fits(const models::VisionMambaOptions& options) const {
    return embed_dim == options.mixer.embed_dim && depth == options.depth;
  }
};

// The preset that the official program's arguments name, if the weights can be its; else "".
std::string preset_of_args(const weights::WeightFile& file, const StoredSize& size) {
  for (const auto& [name, value] : weights::read_official_args(file)) {
    const auto options = name == "model" ? models::find_preset(value) : std::nullopt;
    if (options && size.fits(*options)) {
      return value;
    }
  }
  return {};
}

// The preset of this size; "" if there is none.
std::string preset_of_size(const StoredSize& size) {
  for (const std::string_view name : models::preset_names()) {
    const models::VisionMambaOptions options = models::preset_options(name);
    if (size.fits(options) && size.num_tokens == options.num_tokens()) {
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
  const StoredSize size(file, set);
  std::string preset = preset_of_args(file, size);
  if (preset.empty()) {
    preset = preset_of_size(size);
  }
  const weights::WeightTensor* head = file.find(set, "head.bias");
  if (preset.empty() || head == nullptr || head->shape.size() != 1) {
    throw Error(
        file.name() +
        ": carries no configuration, and its weights are of no preset; pass --config");
  }
  return fmt::format("model:\n  preset: {}\ndata:\n  num_classes: {}\n", preset, head->shape[0]);
}

std::optional<config::RunConfig> stored_config(const weights::WeightFile& file) {
  const auto stored = file.metadata().find("config");
  if (stored == file.metadata().end()) {
    return std::nullopt;
  }
  return config::parse_config(stored->second, file.name(), {});
}

}  // namespace vim::apps

// One table of the five models; everything they share is the default of VisionMambaOptions, set
// here again so that a changed default cannot change a published model.
#include "src/models/presets.h"

#include <array>
#include <string>

#include "src/core/error.h"

namespace vim::models {
namespace {

struct Preset {
  std::string_view name;
  std::string_view official_name;  // the official script's --model
  int64_t embed_dim;
  int64_t stride;
};

constexpr std::array<Preset, 5> kPresets = {{
    {"vim_tiny",
     "vim_tiny_patch16_224_bimambav2_final_pool_mean_abs_pos_embed_with_midclstok_div2",
     192,
     16},
    {"vim_small",
     "vim_small_patch16_224_bimambav2_final_pool_mean_abs_pos_embed_with_midclstok_div2",
     384,
     16},
    {"vim_base",
     "vim_base_patch16_224_bimambav2_final_pool_mean_abs_pos_embed_with_middle_cls_token_div2",
     768,
     16},
    {"vim_tiny_stride8",
     "vim_tiny_patch16_stride8_224_bimambav2_final_pool_mean_abs_pos_embed_with_midclstok_div2",
     192,
     8},
    {"vim_small_stride8",
     "vim_small_patch16_stride8_224_bimambav2_final_pool_mean_abs_pos_embed_with_midclstok_div2",
     384,
     8},
}};

VisionMambaOptions options_of(const Preset& preset) {
  VisionMambaOptions options;
  options.preset = preset.name;
  options.img_size = {224, 224};
  options.channels = 3;
  options.patch_size = 16;
  options.stride = preset.stride;
  options.depth = 24;
  options.num_classes = 1000;
  options.mixer.embed_dim = preset.embed_dim;
  options.mixer.d_state = 16;
  options.mixer.bimamba = nn::Bimamba::kV2;
  options.mixer.divide_out = true;
  options.cls_position = ClsPosition::kMiddle;
  options.pool = Pool::kMean;
  options.norm = Norm::kRms;
  options.pos_embed = true;
  options.rope = false;
  return options;
}

}  // namespace

std::vector<std::string_view> preset_names() {
  std::vector<std::string_view> names;
  for (const Preset& preset : kPresets) {
    names.push_back(preset.name);
  }
  return names;
}

std::optional<VisionMambaOptions> find_preset(std::string_view name) {
  for (const Preset& preset : kPresets) {
    if (name == preset.name || name == preset.official_name) {
      return options_of(preset);
    }
  }
  return std::nullopt;
}

VisionMambaOptions preset_options(std::string_view name) {
  if (std::optional<VisionMambaOptions> options = find_preset(name)) {
    return *std::move(options);
  }
  std::string known;
  for (const Preset& preset : kPresets) {
    known.append(known.empty() ? "" : ", ").append(preset.name);
  }
  throw Error("preset " + std::string(name) + ": there is no such preset; use one of " + known);
}

}  // namespace vim::models

// The published model sizes by name. Free of LibTorch.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "src/models/vision_mamba_options.h"

namespace vim::models {

/// Short names of all presets: vim_tiny, vim_small, vim_base, vim_tiny_stride8, vim_small_stride8.
std::vector<std::string_view> preset_names();

/// The options of a preset, by short or official long name, for 1000 classes and 224 x 224 images;
/// `preset` holds the short name. Nothing for an unknown name. Source: Zhu et al. 2024
/// (arXiv 2401.09417), section 3 and table 1, and the official models_mamba.py.
std::optional<VisionMambaOptions> find_preset(std::string_view name);

/// The same, but throws vim::Error listing the names if there is no such preset.
VisionMambaOptions preset_options(std::string_view name);

}  // namespace vim::models

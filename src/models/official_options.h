// The official implementation's option names, as golden files and official checkpoints spell them,
// in terms of our options. The one place that knows both.
#pragma once

#include <string_view>

#include "src/models/vision_mamba_options.h"

namespace vim::models {

/// Options from a JSON object of official constructor arguments (vim_spec 1.1), mixer arguments
/// (d_conv, expand, dt_rank, conv_bias, bias, ...) either in ssm_cfg or beside the others. Absent
/// names keep the official defaults.
/// Throws vim::Error naming an unknown name or a value of the wrong kind.
VisionMambaOptions options_from_official(std::string_view json_text);

/// The same for a mixer alone: d_model, d_state, ..., bimamba_type, if_divide_out,
/// init_layer_scale.
nn::MambaMixerOptions mixer_options_from_official(std::string_view json_text);

}  // namespace vim::models

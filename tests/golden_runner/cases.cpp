// The table of kinds.
#include "tests/golden_runner/cases.h"

namespace vim::golden {

const std::vector<Kind>& all_kinds() {
  static const std::vector<Kind> kinds = {
      {"scan_", ".safetensors", run_scan, true},
      {"conv_", ".safetensors", run_conv, true},
      {"norm_", ".safetensors", run_norm, true},
      {"mixer_", ".safetensors", run_mixer, true},
      {"model_", ".safetensors", run_model, true},
      {"recipe_", ".safetensors", run_recipe, true},
      {"init_", ".safetensors", run_init, true},
      {"lr_schedule", ".json", run_lr_schedule},
      {"param_groups", ".json", run_param_groups},
      {"sampler", ".json", run_sampler},
      {"ema", ".json", run_ema},
      {"adamw", ".safetensors", run_adamw},
      {"mixup", ".safetensors", run_mixup},
      {"resize", ".safetensors", run_resize},
  };
  return kinds;
}

}  // namespace vim::golden

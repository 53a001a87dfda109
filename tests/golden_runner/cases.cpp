// The table of kinds.
#include "tests/golden_runner/cases.h"

namespace vim::golden {

const std::vector<Kind>& all_kinds() {
  static const std::vector<Kind> kinds = {
      {"scan_", ".safetensors", run_scan, Coverage::kBackends},
      {"conv_", ".safetensors", run_conv, Coverage::kBackends},
      {"norm_", ".safetensors", run_norm, Coverage::kBackends},
      {"mixer_", ".safetensors", run_mixer, Coverage::kBackends},
      {"model_", ".safetensors", run_model, Coverage::kBackends},
      {"recipe_", ".safetensors", run_recipe, Coverage::kFastBackends},
      {"init_", ".safetensors", run_init, Coverage::kFastBackends},
      {"lr_schedule", ".json", run_lr_schedule},
      {"param_groups", ".json", run_param_groups},
      {"sampler", ".json", run_sampler},
      {"ema", ".json", run_ema, Coverage::kDevices},
      {"adamw", ".safetensors", run_adamw, Coverage::kDevices},
      {"pos_interp", ".safetensors", run_pos_interp},
      {"loss", ".json", run_loss, Coverage::kDevices},
      {"mixup", ".safetensors", run_mixup},
      {"resize", ".safetensors", run_resize},
      {"", ".pth", run_pth},
      {"resize", ".safetensors", run_resize, Coverage::kVectors},
      {"augment_ops", ".safetensors", run_augment_ops, Coverage::kVectors},
      {"random_resized_crop", ".safetensors", run_random_resized_crop, Coverage::kVectors},
      {"eval", ".safetensors", run_eval, Coverage::kVectors},
  };
  return kinds;
}

}  // namespace vim::golden

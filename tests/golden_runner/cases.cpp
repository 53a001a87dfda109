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
  };
  return kinds;
}

}  // namespace vim::golden

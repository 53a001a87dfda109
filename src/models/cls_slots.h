// Where class tokens stand in the sequence. Free of LibTorch.
#pragma once

#include <cstdint>
#include <vector>

#include "src/models/vision_mamba_options.h"

namespace vim::models {

/// Sequence slots of the class tokens among `num_patches` patches, in rising order; empty without
/// class tokens. kRandom gives the middle, its place where nothing is drawn (vim_spec 1.3).
std::vector<int64_t> cls_slots(ClsPosition position, int64_t num_patches);

}  // namespace vim::models

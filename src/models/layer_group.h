// How many layers a backward computes again at a time. Free of LibTorch.
#pragma once

#include <cmath>
#include <cstdint>

#include "src/models/vision_mamba_options.h"

namespace vim::models {

/// Layers of which only what enters the first is kept, under Recompute::kMixer and kBlock; the last
/// group may be smaller.
inline int64_t recomputed_group(Recompute recompute, int64_t depth) {
  return recompute == Recompute::kBlock ? std::lround(std::sqrt(static_cast<double>(depth))) : 1;
}

}  // namespace vim::models

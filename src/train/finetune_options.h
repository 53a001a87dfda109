// Options of starting from weights that were trained before. Free of LibTorch.
#pragma once

#include <string>
#include <vector>

#include "src/models/vision_mamba_options.h"

namespace vim::train {

/// The set of weights that a run starts from.
enum class WeightSet { kModel, kEma };

/// Optimizer, average and schedule start anew. Source: vim_spec 6.7.
struct FinetuneOptions {
  std::string weights;  // a file of any form; empty: weights are drawn from the seed
  WeightSet which = WeightSet::kModel;  // official: never the average
  bool new_head = false;                // keep the drawn head where the file's has other classes
  models::PosEmbedResize pos_embed = models::PosEmbedResize::kUpstream;  // official
  std::vector<std::string> allow_missing = {};  // patterns (fnmatch) of names the file may lack
};

}  // namespace vim::train

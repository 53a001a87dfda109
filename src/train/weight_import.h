// Weights of a file of any form (weights/weight_file.h) into a model: by name, strictly, with every
// exception asked for by name.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "src/models/pos_embed_resize.h"
#include "src/models/vision_mamba.h"
#include "src/weights/weight_file.h"

namespace vim::train {

/// What may differ between a file and the model. Nothing, by default.
struct ImportRules {
  // How a position embedding of another grid is brought to the model's, whose rope tables then stay
  // its own; absent: both must fit.
  std::optional<models::PosEmbedResize> pos_embed = std::nullopt;
  std::optional<models::Grid> pos_embed_grid = std::nullopt;  // its own; absent: a square one
  // A head of another number of classes is passed over; the model keeps its own.
  bool new_head = false;
  // Patterns (fnmatch) of names that the file need not have; the model keeps its own tensors.
  std::vector<std::string> allow_missing = {};
};

/// The set of weights to use: `which`, or, where that is empty, "ema" if the file has it, else
/// "model". Throws vim::Error if the file has no such set.
std::string choose_set(const weights::WeightFile& file, const std::string& which);

/// Copies a set of weights into the model's parameters and buffers, floating-point numbers of any
/// width rounded to float. Returns a line for each tensor that the rules let through, to be logged.
/// Throws vim::Error listing every missing, unexpected and misshapen tensor, before anything is
/// changed.
std::vector<std::string> import_weights(
    models::VisionMambaImpl& model,
    const weights::WeightFile& file,
    const std::string& set,
    const ImportRules& rules);

}  // namespace vim::train

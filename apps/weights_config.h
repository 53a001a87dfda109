// A configuration for weights that bring none with them: published files, and whatever has the
// shapes of a preset.
#pragma once

#include <optional>
#include <string>

#include "src/config/run_config.h"
#include "src/weights/weight_file.h"

namespace vim::apps {

/// The YAML text that the file carries, if it is a checkpoint of ours; else one that names the
/// preset in the official program's arguments, where width and depth agree, or the preset whose
/// shapes the weights have, and the number of classes of its head. Throws vim::Error if no preset
/// fits.
std::string config_of_weights(const weights::WeightFile& file);

/// The configuration that the file carries; nothing where it has none. Throws vim::Error if it
/// cannot be read.
std::optional<config::RunConfig> stored_config(const weights::WeightFile& file);

}  // namespace vim::apps

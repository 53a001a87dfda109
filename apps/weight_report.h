// What vim_convert inspect says about a weight file.
#pragma once

#include <nlohmann/json.hpp>

#include "src/weights/weight_file.h"

namespace vim::apps {

/// Format, sets with the statistics of every tensor, training state, recipe arguments and texts, as
/// --json writes them. Training state of another program is described by what is wrong with it.
/// Reads every tensor. Throws vim::Error.
nlohmann::ordered_json describe_weights(const weights::WeightFile& file);

/// The same for people, on standard output.
void print_weights(const nlohmann::ordered_json& report);

}  // namespace vim::apps

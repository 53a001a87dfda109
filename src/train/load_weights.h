// Weights for evaluation: from our checkpoints, or from any safetensors file with the model's
// names.
#pragma once

#include <filesystem>
#include <string>

#include "src/weights/safetensors.h"

namespace torch::nn {
class Module;
}

namespace vim::train {

/// Opens the file; if it is one of our checkpoints, verifies every checksum. Throws vim::Error.
weights::SafetensorsFile open_weights(const std::filesystem::path& path);

/// Copies weights and buffers into the model and returns which were taken. From a checkpoint:
/// `which` is "ema", "model", or empty for ema if there, else model. From a plain safetensors file
/// with bare names: "model". Strict: throws vim::Error listing every missing, unexpected and
/// misshapen tensor.
std::string load_weights(
    torch::nn::Module& model, const weights::SafetensorsFile& file, const std::string& which);

}  // namespace vim::train
